import { catalog, run } from '../../engine/postgres/catalog.ts';
import type { ParityCause, ParityCell, ParityDifference, ParityRecord } from '../../engine/postgres/parity-audits.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';

/** The differences of an audit, by number. */
export async function storedDifferences(on: Queryable, auditId: number): Promise<ParityDifference[]> {
  const rows = await run(
    on,
    catalog.selectFrom('parity_difference').selectAll().where('audit_id', '=', auditId).orderBy('number'),
  );
  return rows.map((row) => ({
    number: row.number,
    entity: row.entity as ParityDifference['entity'],
    seq: row.seq,
    asOf: row.as_of === null ? null : formatDateTime(row.as_of),
    requestId: row.request_id,
    cause: row.cause as ParityCause,
    detail: row.detail,
    cells: row.cells as readonly ParityCell[],
    records: row.records as readonly ParityRecord[],
  }));
}
