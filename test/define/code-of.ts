import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { readModuleGraph } from '../../engine/code/module-graph.ts';
import { type PackageCode, readPackageCode } from '../../engine/code/package-code.ts';
import { type ExportCode, exportCodeReader } from '../../engine/code/view-code.ts';
import { type ImpureUse, scanCode } from '../../engine/purity/scan-code.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-code-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

/** Files by path relative to the folder of definitions, `../` allowed, in a new project of their own: the folder's path. */
export function writeProject(files: Readonly<Record<string, string>>): string {
  folders += 1;
  const folder = join(root, `project-${folders}`, 'features');
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}

/** The code of an export of `index.ts`, of what it takes from packages, and what in it is impure by name. */
export async function codeOf(
  files: Readonly<Record<string, string>>,
  exportName = 'view',
  globalsChanged = false,
): Promise<ExportCode & { readonly packages: PackageCode; readonly uses: readonly ImpureUse[] }> {
  const folder = writeProject(files);
  const file = join(folder, 'index.ts');
  const graph = await readModuleGraph([file]);
  const code = exportCodeReader(graph, { globalsChanged })(file, exportName);
  return { ...code, packages: await readPackageCode(code.outside, folder), uses: scanCode(code.units, graph) };
}
