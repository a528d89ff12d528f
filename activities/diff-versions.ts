import { diffVersions as compare } from '../engine/versions/diff-versions.ts';
import { versionSides } from '../engine/versions/diff-sides.ts';
import { differingCells } from '../engine/versions/diff-summary.ts';
import { storedListings } from '../engine/postgres/history-listings.ts';
import type { DiffInput, DiffSummary } from '../workflows/feature-lifecycle/version-diff.ts';
import { type ActivityDeps, viewWithFingerprint } from './activity-deps.ts';
import { memoryWait, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** Compares two versions of a view, each by its own code, at one prefix of the log. */
export async function diffVersions(deps: ActivityDeps, input: DiffInput): Promise<DiffSummary> {
  const { pool, clock, reader, spillDir, memory } = deps;
  const code = { viewOf: (asked: { view: string; fingerprint: string }) => viewWithFingerprint(deps, asked) };
  const diff = await withPulse({ stillForMs: STILL_FOR_MS }, async (pulse) => {
    const { onWait, report } = memoryWait(pulse);
    const sides = await versionSides({ pool, clock, reader, code }, input);
    return await compare({
      ...sides,
      entities: input.entities,
      reader,
      listings: storedListings(pool, clock),
      spillDir,
      memory,
      signal: pulse.signal,
      onWait,
      onProgress: ({ phase, done, total }) =>
        report({
          phase,
          [phase === 'replay' ? 'records' : 'entities']: done,
          percent: total === null || total === 0 ? null : Math.min(100, (done / total) * 100),
        }),
    });
  });
  const features = differingCells(diff);
  return {
    view: input.view,
    before: input.before,
    after: input.after,
    atMs: diff.at === null ? 0 : Math.floor(Date.parse(diff.at)),
    entities: diff.entities,
    isWhole: diff.isWhole,
    cells: features.reduce((sum, { cells }) => sum + cells, 0),
    differing: features.reduce((sum, { differing }) => sum + differing, 0),
    features,
    onlyBefore: diff.onlyBefore,
    onlyAfter: diff.onlyAfter,
    ...(diff.incomparable === null ? {} : { incomparable: diff.incomparable }),
  };
}
