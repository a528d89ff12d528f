import { extname } from 'node:path';

/**
 * The URL of a module of ours that is named by its place, as threads and processes need it. Modules end in `.ts` in the clone and in `.js` in the
 * package: the importing one tells.
 *
 * @param path relative to `importer`, without an ending
 * @param importer `import.meta.url`
 * @example
 * new Worker(ownModule('./state-worker', import.meta.url));
 */
export function ownModule(path: string, importer: string): URL {
  return new URL(`${path}${extname(new URL(importer).pathname)}`, importer);
}
