import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { archiveWriteError } from './archive-errors.ts';
import { syncFolder } from './sync.ts';

/** Makes a folder with what is above it, each entry synced. Throws `archive-full`, `archive-not-writable`. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    if (!(await isFolder(folder))) await makeWithParents(folder);
  } catch (error) {
    throw archiveWriteError(error, folder);
  }
}

/** Node's own recursive mkdir never ends where a parent is there and takes no folders (such as /proc). */
async function makeWithParents(folder: string): Promise<void> {
  if (!(await isFolder(dirname(folder)))) await makeWithParents(dirname(folder));
  await mkdir(folder).catch(async (error: unknown) => {
    // Another worker may have been first.
    if (!(await isFolder(folder))) throw error;
  });
  await syncFolder(dirname(folder));
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}
