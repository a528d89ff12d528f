import { glob, stat } from 'node:fs/promises';
import { MillraceError } from '../errors/millrace-error.ts';

export type HistoryFormat = 'parquet' | 'csv' | 'jsonl';

/** A file of a source's history. `rows` counts what it holds, valid or not. */
export interface HistoryFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly rows: number;
}

/** The files a history path matches, in the order that positions count them: by the UTF-8 bytes of their paths. */
export interface HistoryFiles {
  readonly format: HistoryFormat;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
}

const endings: readonly (readonly [RegExp, HistoryFormat])[] = [
  [/\.(?:parquet|pq)$/i, 'parquet'],
  [/\.csv(?:\.gz)?$/i, 'csv'],
  [/\.(?:jsonl|ndjson)(?:\.gz)?$/i, 'jsonl'],
];

const formatNames = '.parquet, .pq, .csv, .csv.gz, .jsonl, .ndjson, .jsonl.gz, .ndjson.gz';

/**
 * Finds the files of a history.
 *
 * @param source The source's name, for errors.
 * @param pattern Absolute glob.
 * @throws MillraceError `history-not-found`, `history-format-unknown`, `history-mixed-formats`.
 */
export async function findHistoryFiles(source: string, pattern: string): Promise<HistoryFiles> {
  const files: { path: string; sizeBytes: number }[] = [];
  for await (const path of glob(pattern)) {
    const found = await stat(path);
    if (found.isFile()) files.push({ path, sizeBytes: found.size });
  }
  if (files.length === 0) {
    throw new MillraceError('history-not-found', `source "${source}": no file matches its history path ${pattern}`, {
      remedy:
        'Put the files there, or correct `history.path` (relative to the folder that holds the definitions folder).',
      details: { source, pattern },
    });
  }
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const formats = new Map<HistoryFormat, string>();
  for (const { path } of files) {
    const format = endings.find(([ending]) => ending.test(path))?.[1];
    if (format === undefined) {
      throw new MillraceError('history-format-unknown', `source "${source}": ${path} has no known ending`, {
        remedy: `Narrow \`history.path\` to files that end in one of ${formatNames}.`,
        details: { source, path },
      });
    }
    if (!formats.has(format)) formats.set(format, path);
  }
  const [first, second] = [...formats];
  if (second !== undefined) {
    throw new MillraceError(
      'history-mixed-formats',
      `source "${source}": its history path ${pattern} matches files of several formats: ${first?.[1]} and ${second[1]}`,
      { remedy: 'Narrow `history.path` to one format, e.g. "data/*.parquet".', details: { source, pattern } },
    );
  }
  return { format: (first as [HistoryFormat, string])[0], files };
}

/** The error for a file that cannot be read as what its ending says. */
export function unreadableHistory(source: string, path: string, cause: unknown): MillraceError {
  const received = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
  return new MillraceError('history-unreadable', `source "${source}": ${path} could not be read: ${received}`, {
    remedy: 'Repair or remove the file; CSV needs a header line, commas, and quotes doubled within quoted fields.',
    details: { source, path },
    cause,
  });
}

/** The error for a file without a column its contract needs. */
export function missingColumns(
  source: string,
  path: string,
  missing: readonly string[],
  has: readonly string[],
): MillraceError {
  return new MillraceError(
    'history-column-missing',
    `source "${source}": ${path} lacks the column${missing.length > 1 ? 's' : ''} ${missing.map((name) => `"${name}"`).join(', ')}; it has ${has.map((name) => `"${name}"`).join(', ')}`,
    {
      remedy: 'Columns are matched by exact name. Rename them in the file, or make the field optional in the contract.',
      details: { source, path, missing: [...missing] },
    },
  );
}
