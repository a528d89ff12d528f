import { tmpdir } from 'node:os';
import { BIGINT, INTEGER, TIMESTAMPTZ, DuckDBTimestampTZValue, VARCHAR } from 'duckdb';
import { type DuckDb, openDuckDb, quoteText } from '../duckdb/duckdb.ts';
import { processMemory } from '../memory/process-memory.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { CommitRow } from './commit-timeline.ts';

/** A commit as `commit_record` has it. */
export interface StoredCommit extends CommitRow {
  readonly topic: string;
  readonly watermarkUs: number | null;
}

const COLUMNS =
  'seq BIGINT, topic VARCHAR, partition INTEGER, from_offset BIGINT, until_offset BIGINT, watermark TIMESTAMPTZ, committed_at TIMESTAMPTZ, fingerprint VARCHAR, commit_id BIGINT';
const TYPES = [BIGINT, VARCHAR, INTEGER, BIGINT, BIGINT, TIMESTAMPTZ, TIMESTAMPTZ, VARCHAR, BIGINT];

/** Puts commits into a new table of DuckDB and gives the query for them, in order. */
export async function stageCommits(duckdb: DuckDb, pages: AsyncIterable<readonly StoredCommit[]>): Promise<string> {
  const table = duckdb.newName('commits');
  await duckdb.run(`CREATE TABLE ${table} (${COLUMNS})`);
  const appender = await RowAppender.open(duckdb, table, TYPES);
  for await (const page of pages) {
    for (const row of page)
      appender.append(
        BigInt(row.seq),
        row.topic,
        row.partition,
        BigInt(row.fromOffset),
        BigInt(row.untilOffset),
        row.watermarkUs === null ? null : new DuckDBTimestampTZValue(BigInt(row.watermarkUs)),
        new DuckDBTimestampTZValue(BigInt(row.committedAtUs)),
        row.fingerprint,
        row.commitId,
      );
  }
  appender.close();
  return `SELECT * FROM ${table} ORDER BY seq, topic, partition`;
}

/** The commits of a file, by seq. One that was written before there were ids has no column of them. */
export async function* commitsOf(duckdb: DuckDb, file: string): AsyncGenerator<CommitRow> {
  const readers = ['BIGINT', 'INTEGER', 'BIGINT', 'BIGINT', 'TIMESTAMPTZ', 'VARCHAR', 'BIGINT'].map(rawColumn);
  const columns: unknown[][] = readers.map(() => []);
  const [ids] = await duckdb.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM parquet_schema(${quoteText(file)}) WHERE name = 'commit_id'`,
  );
  const id = ids?.n === 0n ? 'NULL::BIGINT' : 'commit_id';
  const chunks = duckdb.chunks(
    `SELECT seq, partition, from_offset, until_offset, committed_at, fingerprint, ${id} FROM read_parquet(${quoteText(file)})`,
  );
  for await (const chunk of chunks) {
    for (const [index, read] of readers.entries()) read(chunk, index, columns[index]!);
    const [seq, partition, from, until, at, fingerprint, commitId] = columns as [
      number[],
      number[],
      number[],
      number[],
      number[],
      (string | null)[],
      (number | bigint | null)[],
    ];
    for (let row = 0; row < chunk.rowCount; row++)
      yield {
        seq: seq[row]!,
        partition: partition[row]!,
        fromOffset: from[row]!,
        untilOffset: until[row]!,
        committedAtUs: at[row]!,
        fingerprint: fingerprint[row] ?? null,
        commitId: bigIntOf(commitId[row]),
      };
  }
}

function bigIntOf(value: number | bigint | null | undefined): bigint | null {
  return value == null ? null : BigInt(value);
}

/** A session for commits; alone, it spills where temporary files go. */
export function openCommitDuckDb(): Promise<DuckDb> {
  return openDuckDb({ memory: processMemory(), tempDir: tmpdir() });
}
