import { dirname } from 'node:path';
import { isMillraceError } from '../errors/millrace-error.ts';
import { isNamed } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';
import { OUT_NO_SPACE } from '../faults/file-faults.ts';

/**
 * Names what went wrong while a training set was written at `path`, as `engine/faults` has it: `out-full` and `out-away` (both are waited for),
 * `out-not-writable`. Other errors, those of other places among them, are returned as they are.
 */
export function outError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error)) return cause;
  const folder = dirname(path);
  // DuckDB says in one way that it cannot spill and that it cannot write: the path tells which.
  const isOut = isMillraceError(cause) && cause.code === 'spill-folder-full' && cause.message.includes(`"${folder}`);
  if (isMillraceError(cause) && !isOut) return cause;
  const fault = isOut ? OUT_NO_SPACE : faultOf(['outputs'], symptomsOf(cause));
  if (fault === null || !isNamed(fault)) return cause;
  return faultError(fault, {
    message: `cannot write ${path}: the folder ${fault.says}: ${cause.message}`,
    variable: 'out',
    details: { path },
    cause,
  });
}

/** Runs `write` and names its failure by `outError`. */
export async function namingOut<Result>(path: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    throw outError(error, path);
  }
}
