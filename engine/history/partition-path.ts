import { relative, sep } from 'node:path';
import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { fixedPart } from './file-names.ts';

const HIVE_NULL = '__HIVE_DEFAULT_PARTITION__';

/** The value of each path column of a file, as text, by name; null for Hive's default partition. */
export type PathValues = ReadonlyMap<string, string | null>;

/**
 * What the folders `name=value` of a file's path, below the fixed part of its glob, say of the declared path columns.
 *
 * @throws MillraceError `history-partition-missing`, `history-partition-invalid`.
 * @example
 * // history: { path: '/data/x/*' + '/*.parquet', partitions: ['country'] }
 * pathValues(source, '/data/x/country=NL/a.parquet').get('country'); // 'NL'
 */
export function pathValues(source: CompiledSource, path: string): PathValues {
  const names = source.history?.partitions ?? [];
  const values = new Map<string, string | null>();
  if (names.length === 0) return values;
  const pattern = source.history?.path ?? '';
  const folders = relative(fixedPart(pattern), path).split(sep).slice(0, -1);
  for (const folder of folders) {
    const at = folder.indexOf('=');
    if (at < 0) continue;
    const name = decoded(source, path, folder.slice(0, at));
    if (!names.includes(name)) continue;
    const value = folder.slice(at + 1);
    if (values.has(name)) throw invalid(source, path, `names "${name}" twice`);
    values.set(name, value === HIVE_NULL ? null : decoded(source, path, value));
  }
  const missing = names.filter((name) => !values.has(name));
  if (missing.length === 0) return values;
  const list = missing.map((name) => `"${name}=…"`).join(', ');
  throw new MillraceError(
    'history-partition-missing',
    `source "${source.name}": ${path} lies in no folder ${list} below ${fixedPart(pattern)}; its folders there: ${folders.length === 0 ? 'none' : folders.join(', ')}`,
    {
      remedy:
        'Begin the glob of `history.path` above those folders (data/*/*.parquet), correct `partitions`, or take the name out of it and put the column into the file.',
      details: { source: source.name, path, missing },
    },
  );
}

function decoded(source: CompiledSource, path: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(source, path, `has a folder whose "${text}" is not URL-encoded UTF-8`);
  }
}

function invalid(source: CompiledSource, path: string, what: string): MillraceError {
  return new MillraceError('history-partition-invalid', `source "${source.name}": ${path} ${what}`, {
    remedy: 'Rename the folder: name=value, the value URL-encoded (a "%" itself is %25).',
    details: { source: source.name, path },
  });
}
