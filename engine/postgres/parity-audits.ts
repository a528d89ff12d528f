import { type Selectable, sql } from 'kysely';
import { internalBug } from '../errors/millrace-error.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { CellJson } from '../values/cell-json.ts';
import type { JsonValue } from '../values/json-values.ts';
import { catalog, type CatalogTables, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

/** Why a value is not what the log says (engine/parity/README.md). */
export type ParityCause =
  | 'missing-record'
  | 'duplicated-record'
  | 'order'
  | 'definition-version'
  | 'expired-tile'
  | 'shifted-tile'
  | 'store-corruption'
  | 'unexplained';

/** Why a logged read is not compared: its commit is in the catalog no more, or never was. A failover lost it, or a backup was restored. */
export const LOST_COMMIT = 'lost-commit';

/** `audit`: logged reads and stored states · `promotion`: stored states against a backfill of the same log prefix. */
export type ParityKind = 'audit' | 'promotion';

/** `nothing-compared`: there was nothing to compare, which proves nothing. */
export type ParityVerdict = 'equal' | 'broken' | 'nothing-compared';

/** One differing feature: what the log says, and what was stored or served: its value, or its error. */
export interface ParityCell {
  readonly feature: string;
  readonly expected: CellJson;
  readonly received: CellJson;
}

/** A log record; history is partition -1, its offset the position. */
export interface ParityRecord {
  readonly partition: number;
  readonly offset: number;
  /** ISO UTC with six decimals. */
  readonly eventTime: string;
}

/** One entity's difference: its first read (or its stored state) that differs, why, and the smallest set of records that explains it. */
export interface ParityDifference {
  /** From 1, within its audit. */
  readonly number: number;
  /** Join key name to value. */
  readonly entity: Readonly<Record<string, JsonValue>>;
  /** The commit the difference was seen at; null where there is none. */
  readonly seq: number | null;
  /** ISO UTC time the cells' values are of. */
  readonly asOf: string | null;
  /** Of the logged read; null for a stored state. */
  readonly requestId: string | null;
  readonly cause: ParityCause;
  readonly detail: string;
  readonly cells: readonly ParityCell[];
  readonly records: readonly ParityRecord[];
}

/** The figures of an audit. */
export interface AuditFigures {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly kind: ParityKind;
  readonly verdict: ParityVerdict;
  /** The newest commit anything was compared at. */
  readonly seq: number;
  /** Stored states compared. */
  readonly entities: number;
  /** Logged reads compared. */
  readonly reads: number;
  /** A cell is one feature of one read or of one stored state. */
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  /** Reason to number of reads that could not be compared. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Cause to number of differences; `not-diagnosed` are those beyond the limit. */
  readonly causes: Readonly<Record<string, number>>;
  /** UTC epoch µs. */
  readonly startedAtUs: number;
  readonly finishedAtUs: number;
}

/** An audit as the catalog keeps it. */
export interface StoredAudit extends AuditFigures {
  readonly auditId: number;
}

const AUDIT = 'parity_audit';
const NOTHING: ParityVerdict = 'nothing-compared';
const DIFFERENCE = 'parity_difference';
const DIFFERENCES_PER_INSERT = 500;

/** Writes an audit with its differences and gives its id. To be called inside one transaction. */
export async function insertAudit(
  client: Queryable,
  figures: AuditFigures,
  differences: readonly ParityDifference[],
): Promise<number> {
  const [row] = await run(
    client,
    catalog
      .insertInto(AUDIT)
      .values({
        view: figures.view,
        version: figures.version,
        fingerprint: figures.fingerprint,
        kind: figures.kind,
        verdict: figures.verdict,
        seq: figures.seq,
        entities: figures.entities,
        reads: figures.reads,
        cells_compared: figures.cellsCompared,
        cells_differing: figures.cellsDiffering,
        skipped: JSON.stringify(figures.skipped),
        causes: JSON.stringify(figures.causes),
        started_at: formatDateTime(figures.startedAtUs),
        finished_at: formatDateTime(figures.finishedAtUs),
      })
      .returning('id'),
  );
  if (row === undefined) throw internalBug('an inserted audit without an id');
  for (let from = 0; from < differences.length; from += DIFFERENCES_PER_INSERT) {
    const page = differences.slice(from, from + DIFFERENCES_PER_INSERT);
    await run(
      client,
      catalog.insertInto(DIFFERENCE).values(
        page.map((difference) => ({
          audit_id: row.id,
          number: difference.number,
          entity: JSON.stringify(difference.entity),
          seq: difference.seq,
          as_of: difference.asOf,
          request_id: difference.requestId,
          cause: difference.cause,
          detail: difference.detail,
          cells: JSON.stringify(difference.cells),
          records: JSON.stringify(difference.records),
        })),
      ),
    );
  }
  return row.id;
}

/** The newest audit of every view, by view; of one view with a name. For status and metrics: one statement. */
export async function latestAudits(on: Queryable, view?: string): Promise<StoredAudit[]> {
  let query = catalog.selectFrom(AUDIT).selectAll().distinctOn('view').orderBy('view').orderBy('id', 'desc');
  if (view !== undefined) query = query.where('view', '=', view);
  return (await run(on, query)).map(storedAudit);
}

/** The newest audits of a view, at most `limit`, newest first. */
export async function recentAudits(on: Queryable, view: string, limit: number): Promise<StoredAudit[]> {
  const newest = catalog.selectFrom(AUDIT).selectAll().where('view', '=', view).orderBy('id', 'desc').limit(limit);
  return (await run(on, newest)).map(storedAudit);
}

/** An audit as its row has it. */
export function storedAudit(row: Selectable<CatalogTables['parity_audit']>): StoredAudit {
  return {
    auditId: row.id,
    view: row.view,
    version: row.version,
    fingerprint: row.fingerprint,
    kind: row.kind,
    verdict: row.verdict,
    seq: row.seq,
    entities: row.entities,
    reads: row.reads,
    cellsCompared: row.cells_compared,
    cellsDiffering: row.cells_differing,
    skipped: row.skipped,
    causes: row.causes,
    startedAtUs: row.started_at,
    finishedAtUs: row.finished_at,
  };
}

/** Deletes all but the newest `keep` audits of a view and the last proof of each version, with their differences. */
export async function pruneAudits(on: Queryable, view: string, keep: number): Promise<void> {
  await run(
    on,
    catalog
      .deleteFrom(AUDIT)
      .where('view', '=', view)
      .where('id', '<=', (eb) =>
        eb
          .selectFrom(`${AUDIT} as newer`)
          .select(sql<number>`id`.as('id'))
          .where('newer.view', '=', view)
          .orderBy('newer.id', 'desc')
          .limit(1)
          .offset(keep),
      )
      .where('id', 'not in', (eb) =>
        eb
          .selectFrom(`${AUDIT} as proof`)
          .select(sql<number>`max(id)`.as('id'))
          .where('proof.view', '=', view)
          .where('proof.verdict', '<>', NOTHING)
          .groupBy('proof.version'),
      ),
  );
}
