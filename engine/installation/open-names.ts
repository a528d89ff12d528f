import { internalBug } from '../errors/millrace-error.ts';
import type { InstallationNames } from './installation-names.ts';

/**
 * The names that SQL texts leave open: which they are depends on the installation, and the session that sends a text knows it. Between two NULs,
 * which no text that Postgres takes can have: what a user wrote is never taken for one.
 */
export const OPEN_NAMES = {
  /** The schema of SQL views and functions. */
  surface: '\0surface\0',
  catalog: '\0catalog\0',
  state: '\0state\0',
  /** The schema of what the SQL views stand on. */
  sql: '\0sql\0',
  /** The role that may use SQL views and functions. */
  reader: '\0reader\0',
  /** The beginning of an advisory lock's name. */
  locks: '\0locks\0',
} as const;

/**
 * Puts an installation's names in the places that a text leaves open.
 *
 * @example
 * settleNames(`SELECT 1 FROM ${OPEN_NAMES.catalog}.view_version`, installationNames()); // 'SELECT 1 FROM millrace_catalog.view_version'
 */
export function settleNames(text: string, { schemas, roles, locks }: InstallationNames): string {
  if (!text.includes('\0')) return text;
  const names: Readonly<Record<string, string>> = { ...schemas, reader: roles.reader, locks };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what tells these names from all others
  return text.replace(/\0([a-z]*)\0/g, (_, open: string) => {
    const name = names[open];
    if (name === undefined) throw internalBug(`an SQL text leaves "${open}" open, which no installation has`);
    return name;
  });
}
