import { MillraceError } from '../errors/millrace-error.ts';

/** Quotes a column name of a user's file for DuckDB, which, unlike Postgres, takes names of any length. */
export function quotedColumn(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new MillraceError('invalid-identifier', `not usable as a column name: ${JSON.stringify(name)}`, {
      remedy: 'Rename the column.',
    });
  }
  return `"${name.replaceAll('"', '""')}"`;
}
