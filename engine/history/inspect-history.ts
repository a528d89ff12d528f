import { historyGuard } from '../admission/time-guard.ts';
import type { HistoryFault, HistoryLook } from '../define/check-history.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { Row } from '../contract/compiled-contract.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { internalBug, isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import { inspectCsv } from './csv/open-csv.ts';
import { findHistoryFiles, type HistoryFiles } from './history-files.ts';
import { type Looked, sampleRows } from './history-sampler.ts';
import { lineDecoder } from './line-decoder.ts';
import { openParquet } from './parquet/open-parquet.ts';

/** How much of a history's text is looked through by bytes; beyond it, a file's beginning. */
const TEXT_BUDGET_BYTES = 256 * 1024 * 1024;
const BEGINNING_BYTES = 1 << 20;

/** Faults of one kind that are told one by one; the rest is counted. */
const TOLD = 3;

export interface InspectOptions {
  /** How many rows are held against the contract; 0: none. */
  readonly sample: number;
  /** What event times are held against, epoch µs: the files might first be read now. */
  readonly nowUs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of each valid row of the sample; it is written over afterwards. */
  readonly onRow?: ((row: Row) => void) | undefined;
}

/**
 * Looks at a history as its scans will: which files there are, every Parquet footer or CSV header, the paths, and a sample of rows. Every fault
 * of every file at once, those alike counted. A history of which the sample holds more invalid rows than the source allows has a fault, too.
 *
 * @example
 * const { faults, sample } = await inspectHistory(source, duckdb, { sample: 1000, nowUs: systemClock.nowUs() });
 */
export async function inspectHistory(
  source: CompiledSource,
  duckdb: DuckDb,
  options: InspectOptions,
): Promise<HistoryLook> {
  if (source.history === null) throw internalBug(`source "${source.name}" has no history to look at`);
  const errors: MillraceError[] = [];
  let sample: HistoryLook['sample'] = null;
  const noted = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      errors.push(error);
      return null;
    }
  };
  await noted(async () => {
    const found = await findHistoryFiles(source.name, source.history?.path ?? '');
    const looked = await look(source, found, duckdb, options, noted, errors);
    if (errors.length > 0 || options.sample === 0) return;
    const guard = historyGuard(source, options.nowUs);
    const sampled = await sampleRows(source, looked, duckdb, guard, options.sample, options);
    const { rows, invalid, reasons } = sampled;
    sample = { source: source.name, rows, of: looked.rows, invalid, reasons };
    if (sampled.fault !== null) errors.push(sampled.fault);
  });
  return { faults: told(errors), sample };
}

async function look(
  source: CompiledSource,
  found: HistoryFiles,
  duckdb: DuckDb,
  { signal }: InspectOptions,
  noted: <T>(work: () => Promise<T>) => Promise<T | null>,
  errors: MillraceError[],
): Promise<Looked> {
  if (found.format === 'parquet') {
    const { source: history, faults } = await openParquet(source, found, duckdb, signal);
    errors.push(...faults);
    return { format: 'parquet', history, rows: history.files.reduce((sum, { rows }) => sum + rows, 0) };
  }
  if (found.format === 'jsonl') {
    for (const { path } of found.files) await noted(async () => lineDecoder(source, path));
    return { format: 'jsonl', files: found.files, rows: null };
  }
  const files = [];
  let left = TEXT_BUDGET_BYTES;
  for (const file of found.files) {
    const csv = await noted(() => inspectCsv(source, file, signal, Math.max(left, BEGINNING_BYTES)));
    if (csv !== null) files.push(csv);
    left -= file.sizeBytes;
  }
  const isWhole = files.every(({ structure }) => structure.isWhole);
  return { format: 'csv', files, rows: isWhole ? files.reduce((sum, { structure }) => sum + structure.rows, 0) : null };
}

/** Each fault once per kind and field, with how many files more have it. */
function told(errors: readonly MillraceError[]): HistoryFault[] {
  const kindOf = ({ code, details }: MillraceError): string =>
    `${code} ${String(details['column'] ?? details['missing'])}`;
  return [...Map.groupBy(errors, kindOf).values()].flatMap((alike) =>
    alike.slice(0, TOLD).flatMap((error, index) => {
      const more = index === TOLD - 1 && alike.length > TOLD ? ` (and ${alike.length - TOLD} more like it)` : '';
      const { code, remedy, details } = error;
      const message = `${error.message}${more}`;
      const missing = Array.isArray(details['missing']) ? details['missing'] : [];
      const column = typeof details['column'] === 'string' ? [details['column']] : [];
      const fields = code === 'history-column-missing' ? missing : column;
      return (fields.length === 0 ? [null] : fields).map((field) => ({
        code,
        message,
        remedy,
        field: field as string | null,
      }));
    }),
  );
}
