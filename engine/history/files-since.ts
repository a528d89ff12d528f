import type { CompiledSource } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { FileHashes } from './file-hashes.ts';
import { namesOf } from './file-names.ts';
import type { NamedFile } from './history-files.ts';
import { presentHistory } from './named-history.ts';

/**
 * What a history has now that is not what was read of it then, in words: files more, fewer, or of other content. Null where it is the very same.
 *
 * @throws MillraceError what `presentHistory` throws
 * @example
 * await filesSince(source, version.history?.files ?? [], processHashes); // '1 file more: 2026-07-02.parquet'
 */
export async function filesSince(
  source: CompiledSource,
  named: readonly NamedFile[],
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<string | null> {
  if (source.history === null) throw internalBug(`source "${source.name}" has no history`);
  for (const { path, stamp, sha256 } of named)
    if (stamp !== undefined && sha256 !== undefined) hashes.trust(path, { stamp, sha256 });
  const names = await namesOf(source.history.path, named);
  const then = new Map(named.map((file, at) => [names[at]!, file]));
  const { files } = await presentHistory(source, hashes, signal);
  const now = new Map(files.map((file) => [file.name, file]));
  const added = [...now.keys()].filter((name) => !then.has(name));
  const gone = [...then.keys()].filter((name) => !now.has(name));
  // A file whose hash was not noted may hold anything.
  const changed = [...then.keys()].filter((name) => now.has(name) && now.get(name)!.sha256 !== then.get(name)!.sha256);
  const said = [told(added, 'more'), told(gone, 'fewer'), told(changed, 'of other content')].filter(
    (text) => text !== null,
  );
  return said.length === 0 ? null : said.join('; ');
}

function told(names: readonly string[], what: string): string | null {
  if (names.length === 0) return null;
  const shown = names.length > 3 ? `${names.slice(0, 3).join(', ')}, …` : names.join(', ');
  return `${names.length} ${names.length === 1 ? 'file' : 'files'} ${what}: ${shown}`;
}
