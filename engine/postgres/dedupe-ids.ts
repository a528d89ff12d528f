import { PACKED_ID_BYTES } from '../admission/id-hash.ts';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

const DEDUPE_IDS = 'dedupe_ids';

/** Ids first seen in one micro-batch (or chunk of the history), packed 24 bytes each (see migrations/0001). */
export interface PackedIds {
  readonly view: string;
  readonly version: number;
  readonly topic: string;
  /** -1: ids of the history, known to every partition. */
  readonly partition: number;
  readonly seq: number;
  readonly chunk: number;
  readonly newestEventTimeUs: number;
  readonly ids: Uint8Array;
}

/** Inserts packed ids. */
export async function insertDedupeIds(client: Queryable, packs: readonly PackedIds[]): Promise<void> {
  for (const pack of packs) {
    await run(
      client,
      catalog.insertInto(DEDUPE_IDS).values({
        view: pack.view,
        version: pack.version,
        topic: pack.topic,
        partition: pack.partition,
        seq: pack.seq,
        chunk: pack.chunk,
        newest_event_time_us: pack.newestEventTimeUs,
        ids: Buffer.from(pack.ids.buffer, pack.ids.byteOffset, pack.ids.byteLength),
      }),
    );
  }
}

/** How many ids the given partitions have stored, those that were claimed again counted twice. */
export async function storedIds(
  on: Queryable,
  view: string,
  version: number,
  topic: string,
  partitions: readonly number[],
): Promise<number> {
  if (partitions.length === 0) return 0;
  const [row] = await run(
    on,
    catalog
      .selectFrom(DEDUPE_IDS)
      .select(({ fn }) => fn.sum<string | null>(fn<number>('octet_length', ['ids'])).as('bytes'))
      .where('view', '=', view)
      .where('version', '=', version)
      .where('topic', '=', topic)
      .where('partition', 'in', partitions),
  );
  return Number(row?.bytes ?? 0) / PACKED_ID_BYTES;
}

/** About 1 MB a row at most. */
const PAGE_ROWS = 32;

/** The packed ids of the given partitions (-1 for the history's), in the order they were written; read by the page. */
export async function* dedupeIds(
  on: Queryable,
  view: string,
  version: number,
  topic: string,
  partitions: readonly number[],
): AsyncGenerator<PackedIds> {
  if (partitions.length === 0) return;
  const all = catalog
    .selectFrom(DEDUPE_IDS)
    .selectAll()
    .where('view', '=', view)
    .where('version', '=', version)
    .where('topic', '=', topic)
    .where('partition', 'in', partitions)
    .orderBy('partition')
    .orderBy('seq')
    .orderBy('chunk')
    .limit(PAGE_ROWS);
  for (let page = all; ; ) {
    const rows = await run(on, page);
    for (const row of rows) {
      yield {
        view: row.view,
        version: row.version,
        topic: row.topic,
        partition: row.partition,
        seq: row.seq,
        chunk: row.chunk,
        newestEventTimeUs: row.newest_event_time_us,
        ids: row.ids,
      };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return;
    const { partition, seq, chunk } = last;
    page = all.where((eb) => eb(eb.refTuple('partition', 'seq', 'chunk'), '>', eb.tuple(partition, seq, chunk)));
  }
}

/** Deletes packs of a partition that no record can repeat any more: newest event time before `beforeUs`. */
export async function expireDedupeIds(
  client: Queryable,
  view: string,
  version: number,
  topic: string,
  partition: number,
  beforeUs: number,
): Promise<void> {
  await run(
    client,
    catalog
      .deleteFrom(DEDUPE_IDS)
      .where('view', '=', view)
      .where('version', '=', version)
      .where('topic', '=', topic)
      .where('partition', '=', partition)
      .where('newest_event_time_us', '<', beforeUs),
  );
}

/** Gives a version the packs of another, in their order, as ids that it begins with. */
export async function copyDedupeIds(client: Queryable, view: string, from: number, to: number): Promise<void> {
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.dedupe_ids (view, version, topic, partition, seq, chunk, newest_event_time_us, ids)
    SELECT view, ${to}::int, topic, partition, 0, row_number() OVER (PARTITION BY topic, partition ORDER BY seq, chunk) - 1, newest_event_time_us, ids
    FROM ${CATALOG}.dedupe_ids WHERE view = ${view} AND version = ${from}`,
  );
}
