import { stat } from 'node:fs/promises';
import { MillraceError } from '../errors/millrace-error.ts';
import { spineError } from './spine-faults.ts';

export interface SpineFile {
  readonly path: string;
  /** `json`: a line each, or an array. */
  readonly format: 'parquet' | 'csv' | 'jsonl' | 'json';
  readonly delimiter: string;
  readonly sizeBytes: number;
}

type Format = Pick<SpineFile, 'format' | 'delimiter'>;

const ENDINGS: readonly (readonly [ending: RegExp, Format])[] = [
  [/\.(?:parquet|pq)$/i, { format: 'parquet', delimiter: '' }],
  [/\.csv(?:\.gz)?$/i, { format: 'csv', delimiter: ',' }],
  [/\.tsv(?:\.gz)?$/i, { format: 'csv', delimiter: '\t' }],
  [/\.(?:jsonl|ndjson)(?:\.gz)?$/i, { format: 'jsonl', delimiter: '' }],
  [/\.json(?:\.gz)?$/i, { format: 'json', delimiter: '' }],
];
const ENDING_NAMES = '.parquet, .pq, .csv, .tsv, .jsonl, .ndjson, .json, those of text with .gz as well';

/** Looks at the file without reading it. Throws `spine-not-found`, `spine-format-unknown`, `empty-spine`. */
export async function findSpineFile(path: string): Promise<SpineFile> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) {
    const what = found === null ? 'there is no such file' : 'expected a file, found a folder';
    throw new MillraceError('spine-not-found', `spine ${path}: ${what}`, {
      remedy: 'Give the path of the label file.',
      httpStatus: 404,
    });
  }
  const format = ENDINGS.find(([ending]) => ending.test(path))?.[1];
  if (format === undefined) {
    throw new MillraceError('spine-format-unknown', `spine ${path}: expected a file ending in ${ENDING_NAMES}`, {
      remedy: 'Convert the labels to one of these formats, or rename the file.',
    });
  }
  if (found.size === 0) throw emptySpine(path);
  return { path, ...format, sizeBytes: found.size };
}

/** The error for a spine without rows. */
export function emptySpine(path: string): MillraceError {
  return spineError(path, [
    {
      code: 'empty-spine',
      message: 'zero rows',
      remedy: 'Check the query that wrote the labels: a training set needs at least one row.',
    },
  ]);
}

/** The error for a file that cannot be read as what its ending says. `place`: `line 7`, where it is known. */
export function unreadableSpine(
  { path, format }: SpineFile,
  reason: string,
  more: { readonly place?: string | undefined; readonly remedy?: string | undefined; readonly cause?: unknown } = {},
): MillraceError {
  const at = more.place === undefined ? '' : `, ${more.place}`;
  return new MillraceError('spine-unreadable', `spine ${path}${at} cannot be read as ${format}: ${reason}`, {
    remedy: more.remedy ?? 'Correct the file, or give it the extension of its format.',
    details: { path, ...(more.place === undefined ? {} : { place: more.place }) },
    ...(more.cause === undefined ? {} : { cause: more.cause }),
  });
}
