/** Writes column values into rows: `columns[i][row]` becomes the property `names[i]`, which `rows[row]` has already, for `count` rows. */
export type RowFiller = (
  rows: readonly Record<string, unknown>[],
  columns: readonly (readonly unknown[])[],
  count: number,
) => void;

/**
 * The filler of rows with these properties, made once per scan as code that names them: a loop over names has one store for all of them, which
 * no engine can specialise (measured: 22 ns a value, against 2 ns).
 *
 * @example
 * const fill = rowFiller(['id', 'delay']);
 * fill(rows, [ids, delays], 2048);
 */
export function rowFiller(names: readonly string[]): RowFiller {
  const columns = names.map((_, index) => `const c${index} = columns[${index}];`).join('\n');
  const stores = names.map((name, index) => `row[${JSON.stringify(name)}] = c${index}[index];`).join('\n');
  // Nothing but names goes in, as string literals.
  // oxlint-disable-next-line no-new-func, typescript/no-implied-eval
  const make = new Function(
    'rows',
    'columns',
    'count',
    `${columns}\nfor (let index = 0; index < count; index++) {\nconst row = rows[index];\n${stores}\n}`,
  );
  return make as RowFiller;
}
