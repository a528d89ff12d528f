import type { ColumnValues } from '../column-decoder.ts';

/** How values of several types are held as one, each exactly. */
export interface CommonType {
  readonly type: string;
  readonly variants: readonly ColumnValues[];
  /** SQL: an expression of one of the types as the common one. */
  cast(expression: string, values: ColumnValues): string;
}

const integerDigits: Readonly<Record<string, number>> = {
  TINYINT: 3,
  UTINYINT: 3,
  SMALLINT: 5,
  USMALLINT: 5,
  INTEGER: 10,
  UINTEGER: 10,
  BIGINT: 19,
  UBIGINT: 20,
};

/**
 * The type that holds values of all these exactly: the wider integer, double or decimal, one timestamp; else a UNION, whose members keep
 * their own type and are judged by it. DuckDB's own union of files would round a BIGINT beside a DOUBLE.
 */
export function commonType(all: readonly ColumnValues[]): CommonType {
  const variants = [
    ...new Map(all.map((values) => [`${values.type} ${values.judged} ${values.reading}`, values])).values(),
  ];
  const [first] = variants as [ColumnValues];
  if (variants.length === 1) return { type: first.type, variants, cast: (expression) => expression };
  const one = (type: string, judged = type): CommonType => ({
    type,
    variants: [{ type, judged, reading: 'typed' }],
    cast: (expression) => `${expression}::${type}`,
  });
  if (variants.every(({ judged, type }) => judged === first.judged && type === first.type && first.reading === 'typed'))
    return one(first.type);
  const types = variants.map(({ type }) => type);
  if (types.every((type) => type in integerDigits)) return one(types.includes('UBIGINT') ? 'HUGEINT' : 'BIGINT');
  if (types.every((type) => type === 'FLOAT' || type === 'DOUBLE')) return one('DOUBLE');
  // What is cut is judged apart: not all of it was cut the same way.
  const isCut = variants.some(({ judged }) => judged === 'INT96' || judged === 'TIMESTAMPTZ_NS_CUT');
  if (!isCut && types.every((type) => /^TIMESTAMP(?: WITH TIME ZONE)?$/.test(type))) {
    // Both are µs. That a time without a zone may be one was asked file by file.
    return one('TIMESTAMP', 'TIMESTAMP WITH TIME ZONE');
  }
  const decimal = commonDecimal(types);
  return decimal === null ? unionOf(variants) : one(decimal);
}

function commonDecimal(types: readonly string[]): string | null {
  let whole = 0;
  let scale = 0;
  for (const type of types) {
    const parts = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
    const digits = parts === null ? integerDigits[type] : Number(parts[1]) - Number(parts[2]);
    if (digits === undefined) return null;
    whole = Math.max(whole, digits);
    scale = Math.max(scale, Number(parts?.[2] ?? 0));
  }
  return whole + scale <= 38 ? `DECIMAL(${whole + scale},${scale})` : null;
}

function unionOf(variants: readonly ColumnValues[]): CommonType {
  const type = `UNION(${variants.map(({ type }, index) => `m${index} ${type}`).join(', ')})`;
  return {
    type: 'UNION',
    variants,
    cast: (expression, values) => {
      const index = variants.findIndex(({ judged, reading }) => judged === values.judged && reading === values.reading);
      return `CASE WHEN ${expression} IS NULL THEN NULL ELSE union_value(m${index} := ${expression})::${type} END`;
    },
  };
}
