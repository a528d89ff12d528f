import type { FieldPlan } from '../contract/field-plan.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ';

const formatSamples: Readonly<Record<string, string>> = {
  email: 'ada@example.com',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
  guid: '123e4567-e89b-42d3-a456-426614174000',
  nanoid: 'V1StGXR8_Z5jdHi6B-myT',
  cuid: 'cjld2cjxh0000qzrmn831i7rn',
  cuid2: 'tz4a98xxat96iws9zmbrgj3a',
  ulid: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  xid: '9m4e2mr0ui3e8a215n4g',
  ksuid: '0ujsswThIGTUYm2K8FjOOfXtY1K',
  ipv4: '192.0.2.1',
  mac: '00:1B:44:11:3A:B7',
  cidrv4: '192.0.2.0/24',
  e164: '+14155552671',
  duration: 'P1DT2H',
  time: '12:34:56',
  emoji: '😀',
};

/**
 * Contract-valid values of a field, edges first, the same at every call; null last where it is allowed. Empty where none could be
 * found (a pattern nothing here happens to match).
 */
export function sampleValues(plan: FieldPlan): unknown[] {
  const accepts = plan.accepts as ((value: unknown) => boolean) | null;
  const values = candidates(plan).filter((value) => accepts === null || accepts(value));
  if (plan.spec.nullable || plan.spec.optional) values.push(null);
  return values;
}

function candidates(plan: FieldPlan): unknown[] {
  const { type } = plan.spec;
  switch (type.kind) {
    case 'string':
      return texts(plan.rules);
    case 'boolean':
      return [false, true];
    case 'int':
      return numbers(plan.rules).filter((value) => Number.isSafeInteger(value));
    case 'double':
      return plan.spelling.float32
        ? [...numbers(plan.rules), 0.1, -0.5, 1.5, 1e-9, 1e9, -1e38, 1e38, 1.5e-45].map(Math.fround)
        : [...numbers(plan.rules), 0.1, -0.5, 1.5, 1e-9, 1e9, -1e300, 1e300, 5e-324];
    case 'int64':
      return [0n, 1n, -1n, 7n, 1000n, INT64_MIN, INT64_MAX, ...ruleNumbers(plan.rules).map(BigInt)];
    case 'decimal': {
      const { precision, scale } = type;
      const nines = '9'.repeat(precision);
      const most =
        scale === 0 ? nines : `${nines.slice(0, precision - scale) || '0'}.${nines.slice(precision - scale)}`;
      const zero = scale === 0 ? '0' : `0.${'0'.repeat(scale)}`;
      const least = scale === 0 ? '1' : `0.${'0'.repeat(scale - 1)}1`;
      return [zero, least, `-${least}`, most, `-${most}`];
    }
    case 'timestamp':
      return [979_397_760_000_000, 0, -1, 1, 1_000_000_000_123_456, -8_000_000_000_000_000, 8_000_000_000_000_000];
    case 'date':
      return ['2001-01-13', '1970-01-01', '2000-02-29', '1900-12-31', '9999-12-31'];
    case 'enum':
      return [...type.values];
    case 'array': {
      const items = plan.item === null ? [] : sampleValues(plan.item);
      return [
        items.slice(0, 1),
        [],
        items.slice(0, 2),
        items,
        ...[3, 5, 10].map((n) => Array.from({ length: n }, () => items[0])),
      ];
    }
    case 'object':
      return sampleRows(plan.members).rows;
  }
}

function ruleNumbers(rules: readonly string[]): string[] {
  return rules.flatMap(
    (rule) => /^(?:greater_than|less_than|multiple_of)(?: or equal)? (-?\d+)$/.exec(rule)?.[1] ?? [],
  );
}

function numbers(rules: readonly string[]): number[] {
  const declared = rules.flatMap((rule) => {
    const value = Number(/^(?:greater_than|less_than|multiple_of)(?: or equal)? (\S+)$/.exec(rule)?.[1] ?? Number.NaN);
    return Number.isFinite(value) ? [value, value - 1, value + 1, value * 2, value * 10, value / 2] : [];
  });
  const safe = Number.MAX_SAFE_INTEGER;
  return [0, 1, -1, 2, 7, 10, 100, 1000, -7, 1_000_000, ...declared, safe, -safe].map((value) => value + 0);
}

function texts(rules: readonly string[]): string[] {
  const quoted = (check: string): string => {
    const rule = rules.find((candidate) => candidate.startsWith(`${check} `));
    return rule === undefined ? '' : String([JSON.parse(rule.slice(check.length + 1)) as unknown].flat()[0]);
  };
  const ends = [quoted('starts_with'), quoted('includes'), quoted('ends_with')] as const;
  const around = (text: string): string => `${ends[0]}${text}${ends[1]}${ends[2]}`;
  const formats = rules.flatMap((rule) => formatSamples[rule.split(' ')[0] as string] ?? []);
  const lengths = [...Array.from({ length: 41 }, (_, length) => length), 64, 128, 255, 256, 1000];
  const plain = [
    'ABC',
    '',
    'a',
    '0',
    ' ',
    '42',
    '-1.5',
    'abc',
    "O'Neil, “x”",
    'é',
    '漢字',
    '😀',
    'a,b;c:d/e',
    '{"a":1}',
    'A1',
    'ab12',
  ];
  const sized = lengths.flatMap((length) => {
    const upper = length <= 52 ? letters.slice(0, length) : 'A'.repeat(length);
    return [upper, upper.toLowerCase(), '1'.repeat(length)];
  });
  return [...new Set([...formats, ...[...plain, ...sized].map(around), around('').padEnd(20, 'x')])];
}

/** Rows of valid values in many combinations. `unknown` names the fields for which no valid value was found. */
export function sampleRows(plans: readonly FieldPlan[]): {
  rows: Record<string, unknown>[];
  unknown: readonly string[];
} {
  const columns = plans.map((plan) => ({ name: plan.spec.name, values: sampleValues(plan) }));
  const unknown = columns.filter(({ values }) => values.length === 0).map(({ name }) => name);
  const longest = Math.max(1, ...columns.map(({ values }) => values.length));
  const rows: Record<string, unknown>[] = [];
  // First every value of every field at least once, then combinations by a fixed linear congruential generator.
  for (let index = 0; index < longest + 1; index += 1) {
    rows.push(
      Object.fromEntries(
        columns.map(({ name, values }) => [
          name,
          index === longest ? values.at(-1) : values[index % Math.max(1, values.length)],
        ]),
      ),
    );
  }
  let state = 12_345;
  for (let index = 0; index < 40; index += 1) {
    const row: Record<string, unknown> = {};
    for (const { name, values } of columns) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1;
      row[name] = values[state % Math.max(1, values.length)];
    }
    rows.push(row);
  }
  return { rows, unknown };
}
