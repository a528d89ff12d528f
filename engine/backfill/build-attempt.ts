import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { catalog, run } from '../postgres/catalog.ts';

/** One attempt of a build that others may go on with. */
export interface BuildAttempt {
  /** Which build it is of: attempts of one go on from one another, and of no other. */
  readonly build: string;
  /** When it was scheduled, epoch ms: after a later one has begun, it writes nothing. */
  readonly attemptMs: number;
}

/** The version that somebody builds. `attemptMs`: null where no other attempt may go on with it. */
export interface HeldVersion {
  readonly view: string;
  readonly version: number;
  readonly attemptMs: number | null;
}

/**
 * Holds a version until the transaction ends, for its builder to write. Throws MillraceError `backfill-superseded` where it is not being built any more,
 * or a later attempt has taken over: whoever was frozen and thawed writes nothing.
 */
export async function holdVersion(client: Queryable, { view, version, attemptMs }: HeldVersion): Promise<void> {
  const [row] = await run(
    client,
    catalog
      .selectFrom('view_version')
      .select('status')
      .where('view', '=', view)
      .where('version', '=', version)
      .forUpdate(),
  );
  if (row?.status !== 'building') throw superseded(view, version, row?.status ?? 'gone');
  if (attemptMs === null) return;
  // Read after the lock was had: a statement sees what was there when it began.
  const [held] = await run(
    client,
    catalog
      .selectFrom('backfill_progress')
      .select('attempt_ms')
      .where('view', '=', view)
      .where('version', '=', version),
  );
  if (held?.attempt_ms !== attemptMs) throw superseded(view, version, 'in the hands of a later attempt');
}

/** The error of a builder whose version is not its own any more. */
export function superseded(view: string, version: number, is: string): MillraceError {
  return new MillraceError(
    'backfill-superseded',
    `version ${version} of view "${view}" is ${is}: another backfill of the view took over while this one ran`,
    { remedy: 'Nothing: the other one goes on. Start only one backfill of a view at a time.', httpStatus: 409 },
  );
}
