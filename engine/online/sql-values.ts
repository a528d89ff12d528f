import { escapeLiteral } from 'pg';
import { columnFormat } from '../postgres/column-types.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import type { ScalarType } from '../values/field-type.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { compareUtf8 } from '../values/compare.ts';
import { daysOfDate, FIRST_DAY, LAST_DAY } from '../values/date-days.ts';
import type { JsonTree } from '../values/json-values.ts';
import { type ResultType, isScalarType } from '../values/result-type.ts';

/** What the generated code does where bytes are no canonical state; its handler makes `state-corrupt` of it. */
export const CORRUPT = 'RAISE data_corrupted;';

/** From here on a real number rounds to infinity: 2^1024 - 2^970. */
export const DOUBLE_LIMIT = `${2n ** 1024n - 2n ** 970n}::numeric`;

/** The greatest `u(n)` of a safe integer: as it is, in zigzag, and in zigzag where 0 is "no value". */
const SAFE = '9007199254740991';
const SAFE_ZIGZAG = '18014398509481982';
const SAFE_OPTIONAL = '18014398509481983';

/** A varint into `v`, stepping `p`, that must be in its shortest form; `refused` is what of a longer one than a byte is corrupt besides. */
function varint(refused: string): readonly string[] {
  return [
    'byte := get_byte(b, p); p := p + 1;',
    'IF byte < 128 THEN v := byte; ELSE',
    '  v := byte & 127; shift := 7;',
    '  LOOP',
    '    byte := get_byte(b, p); p := p + 1; v := v | ((byte & 127)::bigint << shift); shift := shift + 7;',
    '    EXIT WHEN byte < 128;',
    '  END LOOP;',
    `  IF byte = 0${refused} THEN ${CORRUPT} END IF;`,
    'END IF;',
  ];
}

const upTo = (most: string): readonly string[] => varint(` OR shift > 56 OR v > ${most}`);

/** `u(n)` of a safe n into `v`. */
export const UNSIGNED = upTo(SAFE);

/** `s(n)` of a safe n into `v`, its zigzag still to be undone. */
export const SIGNED = upTo(SAFE_ZIGZAG);

/** The signed value of a zigzag bigint expression. */
export function zigzag(expression: string): string {
  return `((${expression}) >> 1) # -((${expression}) & 1)`;
}

/** `u(n)` of at most `longest` bytes into numeric `x`: with more than eight `v` is void and `unsigned_at` reads it. */
export function wideUnsigned(longest: number): readonly string[] {
  return [
    'start := p;',
    ...varint(` OR p - start > ${longest}`),
    `IF p - start > 8 THEN x := ${INNER_SQL.text}.unsigned_at(b, start); ELSE x := v; END IF;`,
  ];
}

/** `u(n)` of any size but that of a sum of squares of doubles. */
export const WIDE_UNSIGNED = wideUnsigned(400);

/** Undoes the zigzag of numeric `x`. */
export const WIDE_ZIGZAG = 'x := CASE WHEN mod(x, 2) = 0 THEN div(x, 2) ELSE -div(x + 1, 2) END;';

/** Steps over `v` bytes of text, which must be UTF-8, and leaves them in `z`. */
export const TEXT: readonly string[] = [
  `IF p + v > size THEN ${CORRUPT} END IF;`,
  'z := substring(b FROM p + 1 FOR v::int); p := p + v::int;',
  // The built-in one refuses U+0000.
  `e := CASE WHEN position('\\x00'::bytea IN z) = 0 THEN length(z, 'UTF8') ELSE ${INNER_SQL.text}.utf8_length(z) END;`,
];

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

/** A text of ours as a literal; it may leave names open. */
export function quoted(text: string): string {
  return escapeLiteral(text);
}

/** A text of a definition as a literal. Throws MillraceError `unstorable-text` for NUL. */
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

function optionalInteger(refused: string | null): Omit<SqlValue, 'result'> {
  return {
    held: 'bigint',
    statements: [
      ...upTo(SAFE_OPTIONAL),
      'present := v <> 0;',
      `IF present THEN y := ${zigzag('v - 1')};${refused === null ? '' : ` IF ${refused} THEN ${CORRUPT} END IF;`} END IF;`,
    ],
    read: 'y',
  };
}

/** The codec of `opt(type, value)` (engine/state/README.md) in PL/pgSQL; `min` and `max` compare held values with `<` and `>`. */
export function sqlValue(type: ScalarType): SqlValue {
  switch (type.kind) {
    case 'boolean':
      return {
        held: 'bigint',
        statements: [`y := get_byte(b, p); p := p + 1; IF y > 2 THEN ${CORRUPT} END IF; present := y <> 0;`],
        read: 'y',
        result: (variable) => `${variable} = 2`,
      };
    case 'int':
      return { ...optionalInteger(null), result: (variable) => variable };
    case 'timestamp':
      return {
        ...optionalInteger(null),
        result: (variable) => `timestamptz '1970-01-01 00:00:00+00' + ${variable} * interval '1 microsecond'`,
      };
    case 'date':
      return {
        ...optionalInteger(`y NOT BETWEEN ${FIRST_DAY} AND ${LAST_DAY}`),
        result: (variable) => `date '1970-01-01' + ${variable}::int`,
      };
    case 'int64':
      return {
        held: 'bigint',
        statements: [
          ...WIDE_UNSIGNED,
          'present := x <> 0;',
          // Beyond 64 bits the cast fails: the state is corrupt.
          `IF present THEN x := x - 1; ${WIDE_ZIGZAG} y := x; END IF;`,
        ],
        read: 'y',
        result: (variable) => variable,
      };
    case 'decimal':
      return {
        held: 'numeric',
        statements: [
          ...WIDE_UNSIGNED,
          'present := x <> 0;',
          `IF present THEN x := x - 1; ${WIDE_ZIGZAG} IF abs(x) >= 1e${type.precision} THEN ${CORRUPT} END IF; END IF;`,
        ],
        read: 'x',
        result: (variable) => `${variable} * ${decimalUnit(type.scale)}`,
      };
    case 'double':
      return {
        held: 'double precision',
        statements: [
          ...upTo(SAFE_OPTIONAL),
          'present := v <> 0;',
          'IF present THEN',
          `  y := ${zigzag('v - 1')};`,
          '  d := 0;',
          '  IF y <> 0 THEN',
          ...SIGNED,
          `    v := ${zigzag('v')};`,
          `    IF (y & 1) = 0 OR v NOT BETWEEN -1074 AND 1023 THEN ${CORRUPT} END IF;`,
          // Beyond the doubles the product fails: the state is corrupt.
          `    d := y::double precision * ${INNER_SQL.text}.double_power_of_two(v::int);`,
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
        statements: [...UNSIGNED, 'present := v <> 0;', 'IF present THEN', 'v := v - 1;', ...TEXT, 'END IF;'],
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
          `IF v > ${ranks.length} THEN ${CORRUPT} END IF;`,
          'present := v <> 0;',
          `IF present THEN y := ('{${ranks.join(',')}}'::int[])[v]; END IF;`,
        ],
        read: 'y',
        result: (variable) => `(ARRAY[${sorted.map(literal).join(', ')}]::text[])[${variable} + 1]`,
      };
    }
  }
}

/** A value of a definition, as JSON has it, as an expression of its type's column. */
export function sqlConstant(type: ResultType, value: NonNullable<JsonTree>): string {
  if (type.kind === 'list' && isScalarType(type.item)) return sqlList(type.item, value as readonly JsonTree[]);
  if (!isScalarType(type)) return `${literal(JSON.stringify(value))}::jsonb`;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  switch (type.kind) {
    case 'boolean':
      return text;
    case 'int':
    case 'int64':
    case 'decimal':
      return `${literal(text)}::numeric`;
    case 'double':
      return `${literal(text)}::double precision`;
    case 'timestamp':
      return `${literal(text)}::timestamptz`;
    case 'date':
      // Not by its text: Postgres writes the year 0 otherwise.
      return `date '1970-01-01' + ${daysOfDate(text)}`;
    case 'string':
    case 'enum':
      return literal(text);
  }
}

function sqlList(item: ScalarType, values: readonly JsonTree[]): string {
  const elements = values.map((value) => sqlConstant(item, value as NonNullable<JsonTree>));
  return `ARRAY[${elements.join(', ')}]::${columnFormat(item).castName}[]`;
}
