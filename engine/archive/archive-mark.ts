import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { archiveWriteError, isNotFound } from './archive-errors.ts';
import { makeFolder } from './make-folder.ts';
import { syncFile, syncFolder } from './sync.ts';

/** The archive that the mark of the whole folder counts as: no source may have a name with a dot. */
const FOLDER = '.folder';
const TEXT =
  'This folder is an archive of Millrace. While this file is not in it, nothing is written to it: its disk may not be mounted.\n';

const markOf = (archiveDir: string, mark: string): string => join(archiveDir, `.archive-${mark}`);

/**
 * Makes sure that a folder is the archive that this database's workers write to, and marks it the first time: where its disk is not mounted, the
 * empty folder below would take what belongs to the archive. Gives the check, for each write that follows. A copy of an archive without its mark is known by the
 * newest file; as long as nothing is archived, any folder will do.
 *
 * Throws `archive-away` (waits) where it is another folder, and what making it throws.
 * @example
 * const check = await openArchiveFolder(pool, '/data/archive');
 * await check();
 */
export async function openArchiveFolder(pool: pg.Pool, archiveDir: string): Promise<() => Promise<void>> {
  const file = markOf(archiveDir, (await storedMark(pool)) ?? (await firstMark(pool, archiveDir)));
  const check = async (): Promise<void> => {
    if (await isThere(file)) return;
    if ((await holdsNewest(pool, archiveDir)) === false) throw notTheArchive(archiveDir, file);
    await makeFolder(archiveDir);
    await writeMark(file);
  };
  await check();
  return check;
}

async function storedMark(pool: pg.Pool): Promise<string | null> {
  const { rows } = await runSql<{ mark: string }>(
    pool,
    sqlText`SELECT mark FROM ${CATALOG}.archive_source WHERE source = ${FOLDER}`,
  );
  return rows[0]?.mark ?? null;
}

/** The file before the row: a mark that is known must once have been there. Of two that are first at once, one counts. */
async function firstMark(pool: pg.Pool, archiveDir: string): Promise<string> {
  const mark = crypto.randomUUID();
  const file = markOf(archiveDir, mark);
  if ((await holdsNewest(pool, archiveDir)) === false) throw notTheArchive(archiveDir, file);
  await makeFolder(archiveDir);
  await writeMark(file);
  await runSql(
    pool,
    sqlText`INSERT INTO ${CATALOG}.archive_source (source, mark) VALUES (${FOLDER}, ${mark}) ON CONFLICT DO NOTHING`,
  );
  const stored = (await storedMark(pool)) ?? mark;
  if (stored !== mark) await rm(file, { force: true });
  return stored;
}

async function writeMark(file: string): Promise<void> {
  try {
    await writeFile(file, TEXT);
    await syncFile(file);
    await syncFolder(dirname(file));
  } catch (error) {
    throw archiveWriteError(error, file);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw archiveWriteError(error, path);
  }
}

/** Whether the newest file that the catalog names is in the folder; null where it names none. */
async function holdsNewest(pool: pg.Pool, archiveDir: string): Promise<boolean | null> {
  const { rows } = await runSql<{ path: string }>(
    pool,
    sqlText`
    SELECT path FROM (
      (SELECT path, created_at FROM ${CATALOG}.archive_file ORDER BY created_at DESC LIMIT 1)
      UNION ALL (SELECT path, created_at FROM ${CATALOG}.commit_file ORDER BY created_at DESC LIMIT 1)) newest
    ORDER BY created_at DESC LIMIT 1`,
  );
  const [newest] = rows;
  return newest === undefined ? null : await isThere(join(archiveDir, newest.path));
}

function notTheArchive(archiveDir: string, file: string): MillraceError {
  return new MillraceError(
    'archive-away',
    `${archiveDir} is not the archive that was written to before: neither its mark ${file} nor the newest archived file is there`,
    {
      remedy:
        'See that the disk of the archive (MILLRACE_ARCHIVE_DIR) is mounted; nothing unwritten counts as archived, and archiving goes on by itself. Where the archive was lost for good, make an empty file of that name there: archiving goes on, and what was archived is missing by name.',
      waits: true,
      httpStatus: 503,
      details: { archiveDir, file },
    },
  );
}
