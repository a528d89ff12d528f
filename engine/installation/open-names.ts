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
export function settleNames(text: string, names: InstallationNames): string {
  const parts = text.split('\0');
  let settled = parts[0] ?? '';
  for (let at = 1; at < parts.length; at += 2) settled += nameOf(parts[at] ?? '', names) + (parts[at + 1] ?? '');
  return settled;
}

function nameOf(open: string, { schemas, roles, locks }: InstallationNames): string {
  switch (open) {
    case 'surface':
    case 'catalog':
    case 'state':
    case 'sql':
      return schemas[open];
    case 'reader':
      return roles.reader;
    case 'locks':
      return locks;
    default:
      throw internalBug(`an SQL text leaves ${JSON.stringify(open)} open, which no installation has`);
  }
}
