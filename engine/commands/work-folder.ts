import { constants, createReadStream } from 'node:fs';
import { copyFile, cp, lstat, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';

/** What code with its small files has; data and environments are no code. */
const MOST_FILES = 10_000;
const MOST_BYTES = 256 * 2 ** 20;

/** Environments are large, and what they hold does not change under a run: they are linked, and the rest of the folder is copied. */
const LINKED: ReadonlySet<string> = new Set(['.venv', 'venv', 'env', 'node_modules', '.pixi']);
/** What no run needs. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', '__pycache__', '.pytest_cache', '.ipynb_checkpoints']);

/** The folder of one run. */
export interface WorkFolder {
  readonly path: string;
  /** The copy of the code, in which the command runs. */
  readonly code: string;
  readonly home: string;
  readonly temporary: string;
  /** Where the command is to leave what it makes. */
  readonly out: string;
  /** Of names and bytes of all that was copied: which code ran. */
  readonly codeSha256: string;
  /** Removes it with all that is in it. */
  remove(): Promise<void>;
}

/**
 * Makes the folder of a run, with a copy of the code in it. Fails whole: nothing stays.
 *
 * @param root a folder of this process
 * @param from as `codeFolder` gives it
 * @throws MillraceError `command-folder-too-large`
 */
export async function makeWorkFolder(root: string, from: string): Promise<WorkFolder> {
  await mkdir(root, { recursive: true });
  const path = await mkdtemp(join(root, 'command-'));
  const remove = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const [code, home, temporary, out] = ['code', 'home', 'tmp', 'out'].map((name) => join(path, name)) as [
      string,
      string,
      string,
      string,
    ];
    for (const folder of [home, temporary, out]) await mkdir(folder);
    const copied = new CopiedCode(from);
    await copied.folder(from, code, '');
    return { path, code, home, temporary, out, codeSha256: copied.sha256, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What was copied so far: its size is bounded, and its bytes are hashed in the order of names. */
class CopiedCode {
  readonly #from: string;
  readonly #hash = createHash('sha256');
  #files = 0;
  #bytes = 0;

  constructor(from: string) {
    this.#from = from;
  }

  get sha256(): string {
    return this.#hash.digest('hex');
  }

  async folder(from: string, to: string, name: string): Promise<void> {
    await mkdir(to);
    const entries = (await readdir(from)).sort();
    for (const entry of entries) {
      if (LEFT_OUT.has(entry)) continue;
      const [source, target, path] = [join(from, entry), join(to, entry), name === '' ? entry : `${name}/${entry}`];
      const about = await lstat(source);
      if (LINKED.has(entry)) await symlink(source, target);
      else if (about.isDirectory()) await this.folder(source, target, path);
      else if (about.isSymbolicLink()) {
        this.#count(0);
        this.#hash.update(JSON.stringify([path, 'link', await readlink(source)]));
        await cp(source, target, { verbatimSymlinks: false });
      } else if (about.isFile()) {
        this.#count(about.size);
        await copyFile(source, target, constants.COPYFILE_FICLONE);
        const hash = createHash('sha256');
        for await (const chunk of createReadStream(target)) hash.update(chunk as Buffer);
        this.#hash.update(JSON.stringify([path, about.mode & 0o111, hash.digest('hex')]));
      }
    }
  }

  #count(bytes: number): void {
    this.#files++;
    this.#bytes += bytes;
    if (this.#files <= MOST_FILES && this.#bytes <= MOST_BYTES) return;
    throw new MillraceError(
      'command-folder-too-large',
      `${this.#from} has more than ${MOST_FILES} files or ${MOST_BYTES / 2 ** 20} MB beside ${[...LINKED].join(', ')}`,
      { remedy: 'Keep data elsewhere: each run copies the folder, so that what is deployed meanwhile changes no run.' },
    );
  }
}
