import { formatDateTime } from '../values/iso-time.ts';
import { catalog, run } from './catalog.ts';
import { type StoredAudit, storedAudit } from './parity-audits.ts';
import type { Queryable } from './queryable.ts';

/** The newest audit of a version that compared something; null where there is none. Audits that compare nothing never push it out. */
export async function lastProof(on: Queryable, view: string, version: number): Promise<StoredAudit | null> {
  const [row] = await run(
    on,
    catalog
      .selectFrom('parity_audit')
      .selectAll()
      .where('view', '=', view)
      .where('version', '=', version)
      .where('verdict', '<>', 'nothing-compared')
      .orderBy('id', 'desc')
      .limit(1),
  );
  return row === undefined ? null : storedAudit(row);
}

/**
 * The last proof of a version that can be replayed no more, in words: what is left to be said of what it served.
 *
 * @example
 * proofText(await lastProof(pool, 'route_delays', 3));
 * // 'its last proof, of 2026-11-28T09:25:12.000000Z, was equal: 0 of 650 cells differed'
 */
export function proofText(proof: StoredAudit | null): string {
  if (proof === null) return 'it was never proven';
  const { finishedAtUs, verdict, cellsCompared, cellsDiffering } = proof;
  return `its last proof, of ${formatDateTime(finishedAtUs)}, was ${verdict}: ${cellsDiffering} of ${cellsCompared} cells differed`;
}
