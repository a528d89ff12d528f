import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { findHistoryFiles } from '../history/history-files.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';

interface File {
  readonly path: string;
  readonly sizeBytes: number;
  readonly rows?: number | undefined;
}

/** Refuses, before anything is read, a history of other files than the version was built from. Throws `history-changed`. */
export async function checkHistoryFiles(source: CompiledSource, version: ViewVersion): Promise<void> {
  const then = version.history?.files ?? [];
  const now = source.history === null ? [] : (await findHistoryFiles(source.name, source.history.path)).files;
  compare(source, version, then, now);
}

/** The same for the number of rows, which are known only once the files are read. Throws `history-changed`. */
export function checkHistoryRows(source: CompiledSource, version: ViewVersion, now: readonly File[]): void {
  compare(source, version, version.history?.files ?? [], now);
}

function compare(source: CompiledSource, version: ViewVersion, then: readonly File[], now: readonly File[]): void {
  const changes: string[] = [];
  const known = new Map(now.map((file) => [file.path, file]));
  for (const file of then) {
    const found = known.get(file.path);
    known.delete(file.path);
    if (found === undefined) changes.push(`${file.path} is gone`);
    else if (found.sizeBytes !== file.sizeBytes)
      changes.push(`${file.path} had ${file.sizeBytes} bytes and has ${found.sizeBytes}`);
    else if (found.rows !== undefined && found.rows !== file.rows)
      changes.push(`${file.path} had ${file.rows} rows and has ${found.rows}`);
  }
  for (const path of known.keys()) changes.push(`${path} is new`);
  if (changes.length === 0) return;
  const shown =
    changes.length > 3 ? `${changes.slice(0, 3).join('; ')}; and ${changes.length - 3} more` : changes.join('; ');
  throw new MillraceError(
    'history-changed',
    `source "${source.name}": version ${version.version} of view "${version.view}" was built from other history files: ${shown}`,
    {
      remedy:
        'Put the files of then back to replay it, or rebackfill the view: its new version is built from the files of now.',
      httpStatus: 409,
      details: { source: source.name, view: version.view, version: version.version, changes },
    },
  );
}
