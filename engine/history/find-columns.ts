import { MillraceError } from '../errors/millrace-error.ts';
import type { FieldSpec } from '../values/field-type.ts';

/**
 * The columns of fields in a file, by their exact names; a field may be without one if it is optional.
 *
 * @param columns The file's columns by the names that stand in it.
 * @throws MillraceError `history-column-missing`, with all that are: there is none, only one of another case, or there are two.
 * @example
 * findColumns('orders', 'a.csv', contract.fields, [{ name: 'ID' }, { name: 'id' }]).get('id');
 */
export function findColumns<Column extends { readonly name: string }>(
  source: string,
  path: string,
  fields: readonly Pick<FieldSpec, 'name' | 'optional'>[],
  columns: readonly Column[],
): ReadonlyMap<string, Column> {
  const exact = Map.groupBy(columns, ({ name }) => name);
  const anyCase = Map.groupBy(columns, ({ name }) => name.toLowerCase());
  const found = new Map<string, Column>();
  const missing: string[] = [];
  const notes: string[] = [];
  for (const { name, optional } of fields) {
    const [column, second] = exact.get(name) ?? [];
    if (column !== undefined && second === undefined) {
      found.set(name, column);
      continue;
    }
    const alike = anyCase.get(name.toLowerCase()) ?? [];
    if (alike.length === 0 && optional) continue;
    missing.push(name);
    if (second !== undefined) notes.push(`has several columns "${name}"`);
    else if (alike.length > 0) notes.push(`has ${alike.map((other) => `"${other.name}"`).join(', ')} for "${name}"`);
  }
  if (missing.length === 0) return found;
  const names = missing.map((name) => `"${name}"`).join(', ');
  const has = columns.length === 0 ? 'it has none' : `it has ${columns.map(({ name }) => `"${name}"`).join(', ')}`;
  const note = notes.length === 0 ? '' : ` (it ${notes.join(', ')})`;
  throw new MillraceError(
    'history-column-missing',
    `source "${source}": ${path} lacks the column${missing.length > 1 ? 's' : ''} ${names}${note}; ${has}`,
    {
      remedy: 'Columns are matched by exact name. Rename them in the file, or make the field optional in the contract.',
      details: { source, path, missing },
    },
  );
}
