import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RELEASE } from '../../engine/installation/release.ts';

/**
 * What a new project's package.json says of Millrace: this release; where this installation came from a file (a packed file, a clone), the same file.
 *
 * @param installation the folder of the running installation
 */
export function millraceDependency(installation: string = RELEASE.folder): string {
  if (!installation.split(/[\\/]/).includes('node_modules')) return `file:${installation}`;
  for (let folder = dirname(installation); folder !== dirname(folder); folder = dirname(folder)) {
    const spec = dependencyOf(join(folder, 'package.json'));
    if (spec === undefined) continue;
    const file = /^(?:file|link):(.*)$/.exec(spec)?.[1];
    return file === undefined ? RELEASE.version : `file:${resolve(folder, file)}`;
  }
  return RELEASE.version;
}

function dependencyOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Readonly<
    Record<string, Readonly<Record<string, string>> | undefined>
  >;
  return manifest['dependencies']?.['millrace'] ?? manifest['devDependencies']?.['millrace'];
}
