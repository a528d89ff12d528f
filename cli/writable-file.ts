import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/** Looks whether a file can be written where it is to be, before what is to be in it is worked out. Throws MillraceError `out-not-writable`. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new MillraceError(
      'out-not-writable',
      `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        remedy: 'Name a file in a folder that is there, and that you may write to.',
        httpStatus: 400,
        cause,
      },
    );
  }
}
