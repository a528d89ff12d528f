import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';

/**
 * The folder of code that a command is to run in, with all links followed: one of the folders that commands may run in, or below one. Relative paths are
 * taken from the first of them.
 *
 * @param roots absolute; none: nothing may run here
 * @throws MillraceError `commands-not-allowed`, `command-folder-outside`, `command-folder-missing`
 * @example
 * codeFolder(['/srv/training'], 'late_flights'); // '/srv/training/late_flights'
 */
export function codeFolder(roots: readonly string[], folder: string): string {
  const [first] = roots;
  if (first === undefined) {
    throw new MillraceError(
      'commands-not-allowed',
      'no command may run on this worker: MILLRACE_TRAINING_DIR is not set',
      {
        remedy:
          'Have it set on the workers of the role "train" to the folder with the code of trainings. Whoever may start workflows may then run code on those machines: docs/security.md.',
        httpStatus: 403,
      },
    );
  }
  const absolute = resolve(first, folder);
  const real = realFolder(absolute);
  if (roots.some((root) => isWithin(realFolder(root), real))) return real;
  const where = real === absolute ? '' : `, which is ${real}`;
  throw new MillraceError(
    'command-folder-outside',
    `${absolute}${where}, lies in none of the folders that commands may run in: ${roots.join(', ')}`,
    {
      remedy: 'Name a folder in one of them, or have it added to MILLRACE_TRAINING_DIR of the workers.',
      httpStatus: 403,
    },
  );
}

/**
 * A program as it is to be started: a name that PATH has, or a path within the folder.
 *
 * @throws MillraceError `command-folder-outside`
 */
export function checkProgram(program: string): void {
  if (!program.includes('/')) return;
  if (!isAbsolute(program) && isWithin('/folder', resolve('/folder', program))) return;
  throw new MillraceError('command-folder-outside', `the program ${program} is not in the folder of the command`, {
    remedy: 'Name a program of the PATH, or one of the folder by its path from there, as .venv/bin/python.',
    httpStatus: 403,
  });
}

function realFolder(path: string): string {
  try {
    const real = realpathSync(path);
    if (!statSync(real).isDirectory()) throw new Error('it is no folder');
    return real;
  } catch (cause) {
    throw new MillraceError(
      'command-folder-missing',
      `${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        remedy: 'Put the code there on every worker of the role "train", or correct the path.',
        httpStatus: 404,
        cause,
      },
    );
  }
}

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
}
