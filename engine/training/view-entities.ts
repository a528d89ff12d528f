import { BIGINT } from 'duckdb';
import { BatchLimit } from '../admission/batch-limit.ts';
import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { scanLog } from '../log/scan-log.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { invalidForView } from './invalid-for-view.ts';
import type { SpineContext } from './reading.ts';
import { outputSql } from './scalar-sql.ts';
import { stagedForm } from './stage-labels.ts';
import type { ViewsLog } from './view-logs.ts';

/** What a key in memory takes: its text, its values, its map entry. */
const BYTES_PER_ENTITY = 400;
/** What an export begins with has room for so much of them. */
const ENTITY_BYTES = 40 << 20;

/**
 * Finds every entity with an event before a time, and when its first one was: into `table` (`id` in the order of the keys, `k0`, … as they are staged, `first_us`).
 * Memory is bounded: what it holds of the entities goes to DuckDB, which spills, whenever it is full.
 *
 * @returns The files of the history that were read.
 */
export async function stageEntities(
  context: SpineContext,
  { source, cut, reads }: Pick<ViewsLog, 'source' | 'cut' | 'reads'>,
  view: CompiledView,
  untilUs: number,
  table: string,
): Promise<ReturnType<typeof scanLog>['figures']['files']> {
  const { duckdb, signal, options, memory, progress } = context;
  const { keys } = view.layout;
  const forms = keys.map(({ type }) => stagedForm(type));
  const seen = duckdb.newName('seen_entities');
  await duckdb.run(
    `CREATE TABLE ${seen} (${forms.map(({ type }, k) => `k${k} ${type.toString()}`).join(', ')}, first_us BIGINT)`,
  );
  const appender = await RowAppender.open(duckdb, seen, [...forms.map(({ type }) => type), BIGINT]);
  const limit = new BatchLimit(source, await context.accepted(source.name));
  const most = Math.max(1, memory.forKeys(ENTITY_BYTES) / BYTES_PER_ENTITY);
  const held = new Map<string, { readonly key: readonly ScalarValue[]; firstUs: number }>();
  const letGo = (): void => {
    for (const { key, firstUs } of held.values())
      appender.append(...forms.map(({ store }, k) => store(key[k])), BigInt(firstUs));
    held.clear();
  };
  const prepared = emptyPrepared(view.layout.slots);
  const scan = scanLog({
    source,
    cut,
    reads,
    reader: options.reader,
    duckdb,
    listings: context.listings,
    order: 'any',
    signal,
    onWait: options.onWait,
    onInvalid: (record) => limit.add(record),
  });
  try {
    for await (const events of scan.batches()) {
      signal.throwIfAborted();
      for (const event of events) {
        const outcome = view.prepare(event, prepared);
        if (typeof outcome === 'object') limit.add(invalidForView(view, event, outcome.invalid));
        if (outcome !== 'ok' || event.eventTimeUs >= untilUs) continue;
        const known = held.get(prepared.keyText);
        if (known !== undefined) known.firstUs = Math.min(known.firstUs, event.eventTimeUs);
        else {
          if (held.size >= most) letGo();
          held.set(prepared.keyText, { key: [...prepared.key], firstUs: event.eventTimeUs });
        }
      }
      progress.scanned(events.length);
    }
    letGo();
  } finally {
    appender.close();
  }
  limit.end(scan.figures.counts.records);
  const names = keys.map((_, k) => `k${k}`).join(', ');
  const order = keys.map(({ type }, k) => outputSql(type, `k${k}`)).join(', ');
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT row_number() OVER () - 1 AS id, * FROM (
       SELECT ${names}, min(first_us) AS first_us FROM ${seen} GROUP BY ${names} ORDER BY ${order}
     )`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${seen}`);
  return scan.figures.files;
}
