import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Builds of other sources are kept for whoever works on several trees; more of them are only in the way. */
const KEPT = 8;

const UNWRITABLE: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOSPC',
  'EDQUOT',
  'ENOTDIR',
  'ENOENT',
  'EEXIST',
]);

/** What is built of sources. */
export interface KeptBuild {
  /** Made if missing. */
  readonly folder: string;
  /** Files and folders (all that is in them); the build must be a function of these. */
  readonly inputs: readonly string[];
  readonly build: () => Promise<string>;
}

/**
 * A text that is built of files, from the time before where these files have not changed since. What is kept is whole or not there, however many build it at
 * once; where nothing can be kept it is built each time.
 *
 * @throws what `build` throws, and what reading the inputs throws
 * @example
 * const code = await keptBuild({ folder: join(cacheDirectory(), 'workflows'), inputs: ['workflows'], build });
 */
export async function keptBuild({ folder, inputs, build }: KeptBuild): Promise<string> {
  const hash = createHash('sha256');
  for (const path of inputs.flatMap(filesOf)) {
    const content = readFileSync(path);
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  const name = `${hash.digest('hex')}.js`;
  const target = join(folder, name);
  if (existsSync(target)) return readFileSync(target, 'utf8');
  const text = await build();
  // A home that cannot be written costs the time of the next build, and nothing else.
  await keep(folder, name, text).catch((error: unknown) => {
    if (!UNWRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  });
  return text;
}

async function keep(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const partial = join(folder, `${name}.${process.pid}-${performance.now()}`);
  await writeFile(partial, text);
  await rename(partial, join(folder, name));
  await sweep(folder, name);
}

/** In an order of its own, whatever order the folder gives. */
function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Leaves the newest. What is gone already, another has removed; nobody reads one after it has started. */
async function sweep(folder: string, own: string): Promise<void> {
  const others = (await readdir(folder)).filter((name) => name !== own);
  const aged = others.flatMap((name) => {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ name, mtimeMs: stat.mtimeMs }];
  });
  aged.sort((a, b) => b.mtimeMs - a.mtimeMs);
  for (const { name } of aged.slice(KEPT - 1)) await rm(join(folder, name), { force: true });
}
