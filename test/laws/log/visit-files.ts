/** Logs of visits as files and as a topic, for the engine to read. */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DuckDb } from '../../../engine/duckdb/duckdb.ts';
import type { IdKind, RawVisit, VisitLog, VisitStep } from '../../oracle/visits.ts';
import { MemoryBroker } from '../../stream/memory-log.ts';
import { VISITS_TOPIC } from './visit-definitions.ts';

/** Kafka's own sign for none: −1 ms. */
const NO_TIMESTAMP_US = -1000;

export type VisitFormat = 'jsonl' | 'parquet';

/**
 * Writes the history of a log into a new folder; gives its glob, or null where there is nothing to write. File names begin with the folder's, so
 * that no two logs have one listing, and with it one G.
 */
export async function writeVisits(
  duckdb: DuckDb,
  folder: string,
  { files, settings }: VisitLog,
  format: VisitFormat,
): Promise<string | null> {
  if (files.length === 0) return null;
  await mkdir(folder, { recursive: true });
  for (const { name: ending, rows } of files) {
    const name = `${basename(folder)}-${ending}`;
    const lines = join(folder, `${name}.jsonl`);
    await writeFile(lines, rows.map((row) => `${visitText(row)}\n`).join(''));
    if (format === 'parquet') await writeParquet(duckdb, lines, join(folder, `${name}.parquet`), settings.idKind);
  }
  return join(folder, `*.${format}`);
}

const ID_COLUMNS: Readonly<Record<IdKind, string>> = {
  text: 'VARCHAR',
  none: 'VARCHAR',
  int: 'BIGINT',
  int64: 'BIGINT',
};

async function writeParquet(duckdb: DuckDb, from: string, to: string, idKind: IdKind): Promise<void> {
  const columns = `{id: 'VARCHAR', "at": 'TIMESTAMPTZ', who: 'VARCHAR', kept: 'BOOLEAN', n: 'BIGINT', x: 'DOUBLE', p: 'DECIMAL(10, 2)', s: 'VARCHAR'}`;
  await duckdb.run(
    `COPY (SELECT * REPLACE (id::${ID_COLUMNS[idKind]} AS id) FROM read_json($1, format = 'newline_delimited', columns = ${columns})) TO '${to}' (FORMAT parquet)`,
    [from],
  );
}

/** The visit as JSON; `JSON.stringify` would lose the sign of −0. */
export function visitText(visit: RawVisit): string {
  if (typeof visit === 'string') return visit;
  const text = JSON.stringify(visit);
  return Object.is(visit.x, -0) ? text.replace('"x":0', '"x":-0.0') : text;
}

/** A broker with the topic of a log, its first partitions and no records. */
export function emptyTopic({ firstPartitions }: VisitLog): MemoryBroker {
  const broker = new MemoryBroker();
  broker.createTopic(VISITS_TOPIC, firstPartitions);
  return broker;
}

/** Appends what happened to the topic; a partition is added by its first record. */
export function appendVisits(broker: MemoryBroker, steps: readonly VisitStep[]): void {
  for (const { partition, brokerTimeUs, value } of steps) {
    while (broker.bounds(VISITS_TOPIC).partitions.length <= partition) broker.addPartition(VISITS_TOPIC);
    broker.append(VISITS_TOPIC, partition, [
      { value: value === null ? null : Buffer.from(visitText(value)), timestampUs: brokerTimeUs ?? NO_TIMESTAMP_US },
    ]);
  }
}
