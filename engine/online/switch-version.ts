import type pg from 'pg';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { strandedModels, wouldStrand } from '../models/stranded-models.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { keepVersion, setVersionStatus, type ViewVersion } from '../postgres/view-versions.ts';
import { type Behind, behind } from './behind.ts';
import { betweenReaders, dropSuperseded, flipReaders, isKept, lockView, surfaceOf } from './flip-readers.ts';

/** How far behind the served version one may be that takes over from it: beyond both, readers would step back in time. */
export interface BehindLimit {
  readonly records: number;
  readonly seconds: number;
}

export interface SwitchOptions {
  readonly pool: pg.Pool;
  readonly view: string;
  /** A built version, or the one that is kept. */
  readonly version: number;
  /** How long the version served until now is kept for readers to be flipped back to it; 0: not at all. */
  readonly keepMs: number;
  /** Null: however far behind. */
  readonly behindAtMost: BehindLimit | null;
  /** What of models in use that could not go on with it: `keep` refuses, `strand` lets them be. Default `strand`. */
  readonly models?: 'keep' | 'strand' | undefined;
}

/** What a flip came to. */
export interface Switched {
  /** The version that is kept now, and until when, epoch ms; null: none. */
  readonly kept: { readonly version: number; readonly untilMs: number } | null;
}

/**
 * Flips readers to a built version, or back to the one that is kept, in one transaction: the live one becomes `superseded` and is kept for its time, the
 * SQL view and function read the other, and the one that was kept until now is not any more (`dropServed` drops it). Doing it again changes nothing.
 *
 * Throws MillraceError `unknown-view`, `version-not-built`, `candidate-behind`, `previous-behind`, `would-strand-models`, `sql-view-in-use`, `transaction-conflict` (retryable).
 *
 * @example
 * const { kept } = await switchVersion({ pool, view: 'route_delays', version: 2, keepMs: 86_400_000, behindAtMost: null });
 */
export async function switchVersion(options: SwitchOptions): Promise<Switched> {
  const { pool, view, version, keepMs, behindAtMost, models = 'strand' } = options;
  return await betweenReaders(pool, async (client) => {
    const all = await lockView(client, view);
    const target = all.find((one) => one.version === version);
    const before = all.find(isKept);
    if (target?.status === 'live') return { kept: keptOf(before) };
    if (target === undefined || (target.status !== 'built' && !isKept(target))) throw notThere(view, version, target);
    const live = surfaceOf(all);
    if (live !== null && behindAtMost !== null)
      refuseBehind(target, live.version, await behind(client, view, { version, of: live.version }), behindAtMost);
    if (models === 'keep') await refuseStranding(client, target);
    await flipReaders(client, all, target);
    if (before !== undefined && before !== target)
      await setVersionStatus(client, view, before.version, ['superseded'], 'superseded');
    if (live === null || keepMs === 0) return { kept: null };
    return { kept: { version: live.version, untilMs: await keepVersion(client, view, live.version, keepMs) } };
  });
}

/**
 * Drops what a version takes up that readers were flipped from; its row stays. Its stream must have ended. False of one that readers were never given; one
 * that is gone is no error.
 *
 * @throws MillraceError `internal-bug` for the version that is served; `transaction-conflict` (retryable).
 */
export async function dropServed(options: {
  readonly pool: pg.Pool;
  readonly view: string;
  readonly version: number;
}): Promise<boolean> {
  const { pool, view, version } = options;
  return await betweenReaders(pool, async (client) => {
    const target = (await lockView(client, view)).find((one) => one.version === version);
    if (target?.status === 'live')
      throw internalBug(`version ${version} of view "${view}" is served: it is not to be dropped`);
    if (target?.status === 'superseded') await dropSuperseded(client, [target]);
    return target?.publishedAtUs != null;
  });
}

async function refuseStranding(client: Queryable, { view, version, tags }: ViewVersion): Promise<void> {
  const stranded = await strandedModels(client, view, tags?.features ?? null);
  if (stranded.length > 0) throw wouldStrand(view, version, stranded);
}

function keptOf(version: ViewVersion | undefined): Switched['kept'] {
  if (version?.keptUntilUs == null) return null;
  return { version: version.version, untilMs: Math.floor(version.keptUntilUs / 1000) };
}

function notThere(view: string, version: number, target: ViewVersion | undefined): MillraceError {
  const isPast = target !== undefined && target.publishedAtUs !== null;
  return new MillraceError(
    isPast ? 'no-previous' : 'version-not-built',
    `readers of view "${view}" cannot be flipped to version ${version}: expected a built version, or the one that is kept, received ${isPast ? `one that is ${target.status} and not kept any more` : (target?.status ?? 'no such version')}`,
    {
      remedy: 'See what there is with "millrace versions"; what is gone is built anew with "rebackfill".',
      httpStatus: 409,
    },
  );
}

/** Behind by many records, and for long: either alone is what a busy stream is from batch to batch. */
function refuseBehind(target: ViewVersion, live: number, { records, seconds }: Behind, most: BehindLimit): void {
  if (records <= most.records || (seconds !== null && seconds <= most.seconds)) return;
  const { view, version, status } = target;
  const since = seconds === null ? 'longer than is known' : `${Math.floor(seconds)} s`;
  const isCandidate = status === 'built';
  throw new MillraceError(
    isCandidate ? 'candidate-behind' : 'previous-behind',
    `view "${view}": version ${version} is ${records} records and ${since} behind version ${live}, which readers get: expected at most ${most.records} records or ${most.seconds} s`,
    {
      remedy: isCandidate
        ? 'Wait until it has caught up: "millrace versions" shows how far it is.'
        : 'See with "millrace versions" how far it is. Flip to it as it is with "--stale": readers step back in time.',
      httpStatus: 409,
      details: { view, version, records, seconds },
    },
  );
}
