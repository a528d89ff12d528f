import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type FeatureLock, LOCK_FILE, lockText } from '../../engine/define/feature-lock.ts';

/** As an application has it beside its modules. */
const LOCK: FeatureLock = {
  services: { delay_model: { route_delays: { flights_1d: '0123456789abcdef' } } },
  views: {},
};

const ROOT = join(import.meta.dirname, '../..');

/** What examples take for given, each declared where an example names it and does not bring it. */
const GIVEN: readonly (readonly [name: string, declaration: string])[] = [
  ['routeDelays', `import { routeDelays } from '${ROOT}/features/flights.ts';`],
  ['delayModel', `import { delayModel } from '${ROOT}/features/flights.ts';`],
  ['databaseUrl', 'declare const databaseUrl: string;'],
  ['brokers', 'declare const brokers: string[];'],
];

/** The TypeScript of a page, its fenced blocks in their order, as one module: what a page begins it goes on with. */
export function moduleOf(page: string): string | null {
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  if (blocks.length === 0) return null;
  const text = blocks
    .join('\n')
    .replaceAll(/'\.\.?\/(?:\.\.\/)?features\//g, `'${ROOT}/cli/new-project/files/features/`);
  const isBrought = (name: string): boolean => new RegExp(`\\b(?:const|import \\{[^}]*?) ?\\b${name}\\b`).test(text);
  const given = GIVEN.filter(([name]) => new RegExp(`\\b${name}\\b`).test(text) && !isBrought(name));
  return `${given.map(([, declaration]) => declaration).join('\n')}\n${text}\nexport {};\n`;
}

/**
 * What the compiler says against these modules, each a line; empty: they are sound.
 *
 * @param modules text by file name
 */
export async function compileErrors(modules: ReadonlyMap<string, string>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-examples-'));
  try {
    for (const [name, text] of modules) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, LOCK_FILE), lockText(LOCK));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]);
    return [];
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    if (stdout === undefined || stdout === '') throw error;
    return stdout.split('\n').filter((line) => line !== '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const CONFIG = {
  extends: join(ROOT, 'tsconfig.json'),
  compilerOptions: {
    // Examples stop where they have shown what they are for.
    noUnusedLocals: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
    paths: {
      millrace: [join(ROOT, 'index.ts')],
      'millrace/client': [join(ROOT, 'client.ts')],
      'millrace/testing': [join(ROOT, 'testing.ts')],
    },
  },
  include: ['*.ts'],
};
