import { glob, stat } from 'node:fs/promises';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';

export type HistoryFormat = 'parquet' | 'csv' | 'jsonl';

/** A file as a version, a build or a training set names it: what it was read from, and what a replay of it reads again. */
export interface NamedFile {
  /** Below the fixed folder of the glob, with `/`; with `sizeBytes` and `sha256` the file's identity. Absent where it was noted before names were. */
  readonly name?: string | undefined;
  /** Where it lay then. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Hex, of its bytes. Absent where it was noted before hashes were. */
  readonly sha256?: string | undefined;
  /** Of `FileHashes`: a file there that has it need not be read to be known. */
  readonly stamp?: string | undefined;
  /** Valid or not; absent before it was read. */
  readonly rows?: number | undefined;
}

/** A file of a source's history that was read. */
export interface HistoryFile extends NamedFile {
  readonly rows: number;
}

/** The files a history path matches, in the order that positions count them: by the UTF-8 bytes of their paths. */
export interface HistoryFiles {
  readonly format: HistoryFormat;
  readonly files: readonly FileSize[];
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
  const files = await matchingFiles(pattern);
  if (files.length === 0) {
    throw new MillraceError('history-not-found', `source "${source}": no file matches its history path ${pattern}`, {
      remedy:
        'Put the files there, or correct `history.path` (relative to the folder that holds the definitions folder).',
      details: { source, pattern },
    });
  }
  return { format: formatOf(source, pattern, files), files };
}

/** The files a glob matches, by the UTF-8 bytes of their paths. */
export async function matchingFiles(pattern: string): Promise<FileSize[]> {
  const files: FileSize[] = [];
  for await (const path of glob(pattern)) {
    const found = await stat(path);
    if (found.isFile()) files.push({ path, sizeBytes: found.size });
  }
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** The one format of files, by their endings. Throws `history-format-unknown`, `history-mixed-formats`. */
export function formatOf(source: string, pattern: string, files: readonly FileSize[]): HistoryFormat {
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
  return (first as [HistoryFormat, string])[0];
}

/** A file that was found, and how long it was then. */
export interface FileSize {
  readonly path: string;
  readonly sizeBytes: number;
}

/** What is known of a fault within a file. */
export interface FileFault {
  /** `line 7`, `rows 0 to 9999`; where it is not known, nothing. */
  readonly place?: string | undefined;
  readonly remedy?: string | undefined;
}

/** The error for a file that cannot be read as what its ending says. It reads the same the next time: not to be tried again. */
export function unreadableHistory(source: string, path: string, cause: unknown, fault: FileFault = {}): MillraceError {
  const received = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
  const place = fault.place === undefined ? '' : `, ${fault.place}`;
  return new MillraceError('history-unreadable', `source "${source}": ${path}${place} could not be read: ${received}`, {
    remedy: fault.remedy ?? 'Repair the file, write it anew, or take it out of `history.path`.',
    details: { source, path, ...(fault.place === undefined ? {} : { place: fault.place }) },
    cause,
  });
}

/** Whether DuckDB says that a file is at fault: the kind stands in front of what it says; anything else has its name already. */
export function isFileFault(error: unknown): boolean {
  if (isMillraceError(error) || !(error instanceof Error)) return false;
  return /^(?:Invalid|Invalid Input|IO|Conversion|Parser|Binder|Serialization|Not implemented|INTERNAL|Out of Range) Error/i.test(
    error.message,
  );
}

/** Runs what reads one file; a fault of the file is named. Throws `history-unreadable`. */
export async function readingFile<T>(source: string, path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw isFileFault(error) ? unreadableHistory(source, path, error) : error;
  }
}

/** DuckDB takes a path for a glob: characters that mean something there stand for themselves in brackets. */
export function exactPath(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]');
}
