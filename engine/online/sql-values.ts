import { escapeLiteral } from 'pg';
import type { ScalarType } from '../values/field-type.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { compareUtf8 } from '../values/compare.ts';

/** `u(n)` into `v`, stepping `p`; with more than eight bytes `v` is void and `unsigned_at` has to read it. */
export const UNSIGNED: readonly string[] = [
  'byte := get_byte(b, p); p := p + 1;',
  'IF byte < 128 THEN v := byte; ELSE',
  '  v := byte & 127; shift := 7;',
  '  LOOP',
  '    byte := get_byte(b, p); p := p + 1; v := v | ((byte & 127)::bigint << shift); shift := shift + 7;',
  '    EXIT WHEN byte < 128;',
  '  END LOOP;',
  'END IF;',
];

/** Steps over one varint. */
export const SKIP = 'WHILE get_byte(b, p) >= 128 LOOP p := p + 1; END LOOP; p := p + 1;';

/** The signed value of a zigzag bigint expression. */
export function zigzag(expression: string): string {
  return `((${expression}) >> 1) # -((${expression}) & 1)`;
}

/** `u(n)` of any size into numeric `x`. */
export const WIDE_UNSIGNED: readonly string[] = [
  'start := p;',
  ...UNSIGNED,
  'IF p - start > 8 THEN x := millrace_sql.unsigned_at(b, start); ELSE x := v; END IF;',
];

/** Undoes the zigzag of numeric `x`. */
export const WIDE_ZIGZAG = 'x := CASE WHEN mod(x, 2) = 0 THEN div(x, 2) ELSE -div(x + 1, 2) END;';

/** How an optional value of a type is read, held and given out in the generated PL/pgSQL. */
export interface SqlValue {
  /** Type of the variable that holds it. */
  readonly held: string;
  /** Statements that read `opt(type, value)` and leave it in `present` and the variable `read`. */
  readonly statements: readonly string[];
  /** The expression for what was read last. */
  readonly read: string;
  /** The SQL value of a held, non-null variable. */
  result(variable: string): string;
}

/** `10^-scale` as a numeric literal. */
export function decimalUnit(scale: number): string {
  return scale === 0 ? '1::numeric' : `0.${'1'.padStart(scale, '0')}`;
}

/** A text literal. Throws MillraceError `unstorable-text` for NUL. */
export function literal(text: string): string {
  if (text.includes('\0')) {
    throw new MillraceError(
      'unstorable-text',
      `a text with the character U+0000 cannot be used in SQL: ${JSON.stringify(text)}`,
      {
        remedy: 'Postgres stores no NUL in text: take it out of the definition.',
      },
    );
  }
  return escapeLiteral(text);
}

const SMALL_INTEGER: Omit<SqlValue, 'result'> = {
  held: 'bigint',
  statements: [...UNSIGNED, 'present := v <> 0;', `IF present THEN y := ${zigzag('v - 1')}; END IF;`],
  read: 'y',
};

/** The codec of `opt(type, value)` (engine/state/README.md) in PL/pgSQL; `min` and `max` compare held values with `<` and `>`. */
export function sqlValue(type: ScalarType): SqlValue {
  switch (type.kind) {
    case 'boolean':
      return {
        held: 'bigint',
        statements: ['y := get_byte(b, p); p := p + 1; present := y <> 0;'],
        read: 'y',
        result: (variable) => `${variable} = 2`,
      };
    case 'int':
      return { ...SMALL_INTEGER, result: (variable) => variable };
    case 'timestamp':
      return {
        ...SMALL_INTEGER,
        result: (variable) => `timestamptz '1970-01-01 00:00:00+00' + ${variable} * interval '1 microsecond'`,
      };
    case 'date':
      return { ...SMALL_INTEGER, result: (variable) => `date '1970-01-01' + ${variable}::int` };
    case 'int64':
      return {
        held: 'bigint',
        statements: [
          ...WIDE_UNSIGNED,
          'present := x <> 0;',
          `IF present THEN x := x - 1; ${WIDE_ZIGZAG} y := x; END IF;`,
        ],
        read: 'y',
        result: (variable) => variable,
      };
    case 'decimal':
      return {
        held: 'numeric',
        statements: [...WIDE_UNSIGNED, 'present := x <> 0;', `IF present THEN x := x - 1; ${WIDE_ZIGZAG} END IF;`],
        read: 'x',
        result: (variable) => `${variable} * ${decimalUnit(type.scale)}`,
      };
    case 'double':
      return {
        held: 'double precision',
        statements: [
          ...UNSIGNED,
          'present := v <> 0;',
          'IF present THEN',
          `  y := ${zigzag('v - 1')};`,
          '  d := 0;',
          '  IF y <> 0 THEN',
          ...UNSIGNED,
          `    d := y::double precision * millrace_sql.double_power_of_two((${zigzag('v')})::int);`,
          '  END IF;',
          'END IF;',
        ],
        read: 'd',
        result: (variable) => variable,
      };
    case 'string':
      return {
        // Held as bytes: they compare as design §5 wants strings to, whatever the database's collation.
        held: 'bytea',
        statements: [
          ...UNSIGNED,
          'present := v <> 0;',
          'IF present THEN z := substring(b FROM p + 1 FOR (v - 1)::int); p := p + (v - 1)::int; END IF;',
        ],
        read: 'z',
        result: (variable) => `convert_from(${variable}, 'UTF8')`,
      };
    case 'enum': {
      const sorted = type.values.toSorted(compareUtf8);
      const ranks = type.values.map((value) => sorted.indexOf(value));
      return {
        held: 'bigint',
        statements: [
          ...UNSIGNED,
          'present := v <> 0;',
          `IF present THEN y := ('{${ranks.join(',')}}'::int[])[v]; END IF;`,
        ],
        read: 'y',
        result: (variable) => `(ARRAY[${sorted.map(literal).join(', ')}]::text[])[${variable} + 1]`,
      };
    }
  }
}
