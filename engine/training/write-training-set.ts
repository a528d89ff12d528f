import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { contentHash } from '../history/content-hash.ts';
import { invariant } from '../errors/millrace-error.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { trainingBaseline } from './training-baseline.ts';
import { namingOut } from './out-error.ts';
import type { OutputFile, OutputPart } from './output-file.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import type { Reading } from './reading.ts';
import { type FoundSplit, findSplit, type ManifestPart, type ManifestSplit, partCondition } from './split.ts';
import type { TrainingManifest } from './training-types.ts';
import { type SomeRows, writeRows } from './write-rows.ts';

/**
 * Writes what was read to the files of the output: one, or where it is divided by time, two.
 *
 * @param fraction Of the rows, how many are to train on; null: there is one file.
 * @param isSummarised whether how their values are is told, too
 * @returns What the manifest says of the files.
 */
export async function writeTrainingSet(
  duckdb: DuckDb,
  output: OutputFile,
  spine: PreparedSpine,
  reading: Reading,
  fraction: number | null,
  isSummarised: boolean,
  signal: AbortSignal,
): Promise<Pick<TrainingManifest, 'sha256' | 'sizeBytes' | 'split' | 'baseline'>> {
  const tables = new Map(reading.blocks.map(({ block, table }) => [block, table]));
  const [first, second] = output.parts;
  invariant(first !== undefined && (second === undefined) === (fraction === null), 'an output of other files');
  const write = async (part: OutputPart, split: FoundSplit | null, name: 'train' | 'test'): Promise<ManifestPart> => {
    const rowsOf = split === null ? null : { table: split.table, where: partCondition(split, name) };
    await namingOut(output.path, () => writeRows(duckdb, part.partialPath, spine, tables, rowsOf, signal));
    const from = rowsOf === null ? '' : ` FROM ${rowsOf.table} WHERE ${rowsOf.where}`;
    const [counted] = rowsOf === null ? [] : await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n${from}`);
    const rows = counted === undefined ? spine.rows : Number(counted.n);
    return { file: basename(part.path), rows, ...(await contentHash(part.partialPath, signal)) };
  };
  const baselineOf = async (rows: number, rowsOf: SomeRows | null): Promise<Pick<TrainingManifest, 'baseline'>> => {
    if (!isSummarised) return {};
    return { baseline: await trainingBaseline(duckdb, { features: spine.features, tables, rowsOf, rows }, signal) };
  };
  if (fraction === null || second === undefined) {
    const { sha256, sizeBytes } = await write(first, null, 'train');
    return { sha256, sizeBytes, ...(await baselineOf(spine.rows, null)) };
  }
  const found = await findSplit(duckdb, fraction, spine, reading, signal);
  const train = await write(first, found, 'train');
  const test = await write(second, found, 'test');
  const split: ManifestSplit = { fraction, at: formatDateTime(found.atUs), train, test };
  const baseline = await baselineOf(train.rows, { table: found.table, where: partCondition(found, 'train') });
  return { sha256: hashOf([train, test]), sizeBytes: train.sizeBytes + test.sizeBytes, split, ...baseline };
}

function hashOf(parts: readonly ManifestPart[]): string {
  return createHash('sha256')
    .update(parts.map(({ sha256 }) => `${sha256}\n`).join(''))
    .digest('hex');
}
