import { MillraceError } from '../errors/millrace-error.ts';

/** What `pg` takes: text with `$1…` and the values bound to them. */
export interface BoundSql {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A piece of SQL with its values; pieces nest, placeholders are numbered once the outermost one is bound. */
export class SqlText implements BoundSql {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly #strings: readonly string[];

  constructor(strings: readonly string[], values: readonly unknown[]) {
    this.#strings = strings;
    this.values = values;
    this.text = strings.map((part, index) => (index < values.length ? `${part}$${index + 1}` : part)).join('');
  }

  /** Appends this piece to an outer one that is being built. */
  appendTo(strings: string[], values: unknown[]): void {
    for (const [index, part] of this.#strings.entries()) {
      strings[strings.length - 1] += part;
      if (index < this.values.length) {
        values.push(this.values[index]);
        strings.push('');
      }
    }
  }
}

/**
 * Quotes an identifier, or a path of them (`ident('schema', 'table')`). The only way a name gets into SQL.
 * Throws MillraceError `invalid-identifier` for the empty string, NUL, or more than 63 UTF-8 bytes (Postgres would truncate silently).
 *
 * @example
 * ident('millrace', 'route_delays'); // '"millrace"."route_delays"'
 */
export function ident(...path: readonly string[]): string {
  for (const name of path) {
    if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63) {
      throw new MillraceError('invalid-identifier', `not usable as an SQL identifier: ${JSON.stringify(name)}`, {
        remedy: 'Use a name of 1 to 63 bytes without NUL.',
      });
    }
  }
  return path.map((name) => `"${name.replaceAll('"', '""')}"`).join('.');
}

/** `ident` as a piece of `sqlText`. */
export function identSql(...path: readonly string[]): SqlText {
  return new SqlText([ident(...path)], []);
}

/**
 * Builds bound SQL: `SqlText` holes are put in place, every other hole becomes a bound value.
 *
 * @example
 * const where = sqlText`WHERE view = ${'route_delays'}`;
 * await client.query(sqlText`SELECT * FROM ${CATALOG}.view_version ${where} LIMIT ${10}`);
 */
export function sqlText(strings: TemplateStringsArray, ...holes: readonly unknown[]): SqlText {
  const parts: string[] = [''];
  const values: unknown[] = [];
  for (const [index, part] of strings.entries()) {
    parts[parts.length - 1] += part;
    if (index >= holes.length) break;
    const hole = holes[index];
    if (hole instanceof SqlText) hole.appendTo(parts, values);
    else {
      values.push(hole);
      parts.push('');
    }
  }
  return new SqlText(parts, values);
}
