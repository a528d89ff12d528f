/** Words Postgres reserves: usable only in quotes, so no definition may be called so. */
const reservedWords = new Set(
  (
    'all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column ' +
    'concurrently constraint create cross current_catalog current_date current_role current_schema current_time ' +
    'current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from ' +
    'full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime ' +
    'localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right ' +
    'select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using ' +
    'variadic verbose when where window with'
  ).split(' '),
);

/** Columns that stand beside join keys and features in state tables, reads, SQL views and training sets. */
const reservedColumns = new Set(['found', 'as_of', 'ahead', 'seq', 'freshness', 'event_timestamp', 'state', 'version']);

export const MAX_NAME_CHARACTERS = 40;

/** Why a name cannot be used, or null. `__` is refused because `<view>__<feature>` names a training column. */
export function nameFault(name: unknown): string | null {
  if (typeof name !== 'string') return `expected a name, received ${typeof name}`;
  if (name.length > MAX_NAME_CHARACTERS) {
    return `"${name}" has ${name.length} characters, at most ${MAX_NAME_CHARACTERS} are allowed`;
  }
  if (!/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name)) return `"${name}" is not snake_case (a-z, 0-9 and single _)`;
  return null;
}

/** Why a name cannot be that of a table, a view or a column, or null. */
export function sqlNameFault(name: unknown): string | null {
  return nameFault(name) ?? (reservedWords.has(String(name)) ? `"${String(name)}" is a reserved word of SQL` : null);
}

/** Why a feature or a join key cannot have this name, or null. */
export function columnNameFault(name: string): string | null {
  if (reservedColumns.has(name)) return `"${name}" is reserved: reads and training sets have a column of that name`;
  return sqlNameFault(name);
}

/** The name of the source that is Millrace's own log of served reads; no definition may have it. */
export const SERVED_SOURCE = 'millrace_served';
