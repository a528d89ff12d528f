/**
 * The form of a typed value: a DuckDB type, reduced to what decides how its raw values look and what they can be. `double` has 64 bits,
 * `float` 32. A JSON number is a `double`, a JSON string a `text`.
 */
export type ColumnType =
  | { readonly kind: 'boolean' | 'integer' | 'double' | 'float' | 'date' | 'text' | 'json' }
  /**
   * Raw: µs. `zone`: a point in time; without, a reading of some clock. `isCut`: digits finer than a microsecond are gone already;
   * `towards`: where to.
   */
  | {
      readonly kind: 'timestamp';
      readonly zone: boolean;
      readonly isCut: boolean;
      readonly towards?: 'the past' | 'zero' | undefined;
    }
  /** Raw: ns. */
  | { readonly kind: 'timestamp-ns'; readonly zone: boolean }
  | { readonly kind: 'decimal'; readonly scale: number }
  | { readonly kind: 'list'; readonly item: ColumnType }
  | { readonly kind: 'struct'; readonly members: readonly (readonly [string, ColumnType])[] }
  | { readonly kind: 'other' };

const integers = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT'].flatMap((name) => [name, `U${name}`]);

const simple: Readonly<Record<string, ColumnType>> = {
  ...Object.fromEntries(integers.map((name) => [name, { kind: 'integer' } as const])),
  BOOLEAN: { kind: 'boolean' },
  FLOAT: { kind: 'float' },
  DOUBLE: { kind: 'double' },
  TIMESTAMP: { kind: 'timestamp', zone: false, isCut: false },
  TIMESTAMP_S: { kind: 'timestamp', zone: false, isCut: false },
  TIMESTAMP_MS: { kind: 'timestamp', zone: false, isCut: false },
  'TIMESTAMP WITH TIME ZONE': { kind: 'timestamp', zone: true, isCut: false },
  TIMESTAMPTZ: { kind: 'timestamp', zone: true, isCut: false },
  TIMESTAMP_NS: { kind: 'timestamp-ns', zone: false },
  TIMESTAMPTZ_NS: { kind: 'timestamp-ns', zone: true },
  INT96: { kind: 'timestamp', zone: false, isCut: true, towards: 'the past' },
  TIMESTAMPTZ_NS_CUT: { kind: 'timestamp', zone: true, isCut: true, towards: 'zero' },
  DATE: { kind: 'date' },
  VARCHAR: { kind: 'text' },
  JSON: { kind: 'json' },
  UUID: { kind: 'text' },
};

/**
 * Reads a type's name as DESCRIBE prints it, e.g. `DECIMAL(10,2)` or `STRUCT(a INTEGER, "b c" VARCHAR)[]`. Three names are ours, for what
 * DuckDB has no type of its own for: `INT96`, a Parquet time cut to µs, `TIMESTAMPTZ_NS`, nanoseconds with the UTC flag, and
 * `TIMESTAMPTZ_NS_CUT`, those as a reader gives them that cuts them to µs.
 */
export function parseColumnType(name: string): ColumnType {
  const text = name.trim();
  const list = /\[\d*\]$/.exec(text);
  if (list !== null) return { kind: 'list', item: parseColumnType(text.slice(0, list.index)) };
  const known = simple[text.toUpperCase()];
  if (known !== undefined) return known;
  const decimal = /^(?:DECIMAL|NUMERIC)\(\d+,\s*(\d+)\)$/i.exec(text);
  if (decimal !== null) return { kind: 'decimal', scale: Number(decimal[1]) };
  if (/^ENUM\(/i.test(text)) return { kind: 'text' };
  if (/^STRUCT\(.*\)$/is.test(text)) {
    return { kind: 'struct', members: splitMembers(text.slice('STRUCT('.length, -1)).map(parseMember) };
  }
  return { kind: 'other' };
}

/** Splits at commas that are outside of brackets and quotes. */
function splitMembers(text: string): string[] {
  const members: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] as string;
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      members.push(text.slice(start, at));
      start = at + 1;
    }
  }
  members.push(text.slice(start));
  return members;
}

function parseMember(text: string): readonly [string, ColumnType] {
  const quoted = /^\s*"((?:[^"]|"")*)"\s+(.*)$/s.exec(text);
  if (quoted !== null) return [(quoted[1] as string).replaceAll('""', '"'), parseColumnType(quoted[2] as string)];
  const plain = /^\s*(\S+)\s+(.*)$/s.exec(text);
  return plain === null ? [text, { kind: 'other' }] : [plain[1] as string, parseColumnType(plain[2] as string)];
}
