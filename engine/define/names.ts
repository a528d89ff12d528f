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

/** What `millrace.<view>` and `millrace.<view>_at` have beside join keys and features. */
export const SQL_VIEW_COLUMNS: readonly string[] = ['as_of', 'ahead', 'errors'];

/**
 * Every name that a surface has for itself where join keys or features stand, and where: the one list of them. A name that a surface gets is
 * added here first.
 */
const reservedNames: ReadonlyMap<string, string> = new Map(
  [
    [SQL_VIEW_COLUMNS, 'the SQL view has a column of that name'],
    [['state', 'state_crc', 'state_commit', 'seq'], 'the table of states has a column of that name'],
    [['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'], 'every table of Postgres has a column of that name'],
    [
      ['found', 'version', 'freshness', 'freshness_ms', 'freshness_us', 'freshness_seconds'],
      'what is told of a read has that name',
    ],
    [
      ['event_timestamp', 'request_id'],
      'the rows of a training set have their time and their request under such names',
    ],
  ].flatMap(([names, where]) => (names as readonly string[]).map((name) => [name, where as string] as const)),
);

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

interface NameFault {
  readonly code: 'reserved-name' | 'invalid-name';
  readonly message: string;
}

/** Why a feature or a join key cannot have this name, or null: `reserved-name` where a surface has it for itself. */
export function columnNameFault(name: string): NameFault | null {
  return faultOf(name, sqlNameFault);
}

/** The same of a name that a join key goes by in requests and training sets alone, never in SQL. */
export function columnFault(name: unknown): NameFault | null {
  return faultOf(name, nameFault);
}

function faultOf(name: unknown, formFault: (name: unknown) => string | null): NameFault | null {
  const where = reservedNames.get(String(name));
  if (where !== undefined) return { code: 'reserved-name', message: `"${String(name)}" is reserved: ${where}` };
  const message = formFault(name);
  return message === null ? null : { code: 'invalid-name', message };
}

/** The name of the source that is Millrace's own log of served reads; no definition may have it. */
export const SERVED_SOURCE = 'millrace_served';
