import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';
import { decimalUnit, SKIP, sqlValue, UNSIGNED, WIDE_UNSIGNED, WIDE_ZIGZAG, zigzag } from './sql-values.ts';

/** From here on a real number rounds to infinity: 2^1024 - 2^970. */
const DOUBLE_LIMIT = 'millrace_sql.power_of_two(1024) - millrace_sql.power_of_two(970)';

/** One running result: a slot over a window. Features of the same slot and window share it. */
interface Accumulator {
  readonly name: string;
  readonly slot: number;
  readonly window: number;
}

interface Window {
  readonly group: number;
  readonly windowUs: number | null;
}

/**
 * The body of the PL/pgSQL function that decodes a state and reads it at a time, bit for bit as `ViewReducer.read`. Arguments:
 * `state_bytes bytea`, `at_time timestamptz`; results: `o0 …` in layout order and `ahead`. One pass over the bytes; everything that depends on
 * the layout is decided here, not in SQL.
 */
export function decoderBody(layout: ViewLayout, layoutTag: number): string {
  const windows: Window[] = [];
  const accumulators: Accumulator[] = [];
  const ofFeature = layout.features.map((feature): Accumulator => {
    const slot = layout.slots[feature.slot];
    if (slot === undefined) throw internalBug(`feature "${feature.name}" has no slot`);
    let window = windows.findIndex((known) => known.group === slot.group && known.windowUs === feature.windowUs);
    if (window < 0) window = windows.push({ group: slot.group, windowUs: feature.windowUs }) - 1;
    const known = accumulators.find((one) => one.slot === feature.slot && one.window === window);
    if (known !== undefined) return known;
    const accumulator = { name: `a${accumulators.length}`, slot: feature.slot, window };
    accumulators.push(accumulator);
    return accumulator;
  });
  const statements = [
    "b := state_bytes || '\\x'::bytea;",
    `IF substring(b FROM 1 FOR 5) <> '\\x01${layoutTag.toString(16).padStart(8, '0')}'::bytea THEN`,
    `  RAISE EXCEPTION 'a state of view "${layout.view}" belongs to another version of the view' USING ERRCODE = 'data_corrupted', HINT = 'Run the query again.';`,
    'END IF;',
    'at_us := extract(epoch FROM at_time) * 1000000;',
    ...windows.flatMap((window, index) => windowBounds(layout, window, index)),
    'ahead := false;',
    'IF length(b) > 5 THEN',
    ...UNSIGNED,
    `ahead := at_us <= (${zigzag('v')});`,
    ...layout.groups.flatMap((_, group) => groupStatements(layout, group, accumulators, windows)),
    'END IF;',
    ...layout.features.flatMap((feature, index) => [
      ...resultStatements(layout, feature, ofFeature[index]!, `o${index}`),
    ]),
  ];
  const variables = accumulators.flatMap((accumulator) => accumulatorVariables(layout, accumulator));
  return [
    'DECLARE',
    'b bytea; p int := 5; start int; byte int; shift int; v bigint; n bigint; e int; tile bigint; at_us bigint; present boolean;',
    'x numeric; y bigint; d double precision; z bytea;',
    ...windows.map((_, index) => `from_${index} bigint; until_${index} bigint;`),
    ...variables,
    'BEGIN',
    ...statements,
    'END',
  ].join('\n');
}

/** `floor(a / b)` of bigints, b > 0. */
function floorDivision(a: string, b: number): string {
  return `((${a}) - ((((${a}) % ${b}) + ${b}) % ${b})) / ${b}`;
}

function windowBounds(layout: ViewLayout, { group, windowUs }: Window, index: number): string[] {
  const hopUs = layout.groups[group]?.hopUs ?? null;
  if (windowUs === null || hopUs === null) return [];
  return [
    `from_${index} := ${floorDivision(`at_us - ${windowUs}`, hopUs)};`,
    `until_${index} := ${floorDivision('at_us', hopUs)};`,
  ];
}

function accumulatorVariables(layout: ViewLayout, { name, slot }: Accumulator): string[] {
  const { partial, input } = layout.slots[slot]!;
  if (partial === 'count') return [`${name} bigint := 0;`];
  if (partial === 'sum') return [`${name} numeric := 0; ${name}_n bigint := 0;`];
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  return [`${name} ${sqlValue(input).held};`];
}

function groupStatements(
  layout: ViewLayout,
  group: number,
  accumulators: readonly Accumulator[],
  windows: readonly Window[],
): string[] {
  const slots = layout.slots.flatMap((slot, index) =>
    slot.group === group ? slotStatements(layout, index, accumulators, windows) : [],
  );
  if (layout.groups[group]?.hopUs === null) return slots;
  return [
    ...UNSIGNED,
    'n := v;',
    ...UNSIGNED,
    `tile := ${zigzag('v')};`,
    'FOR step IN 0..n LOOP',
    'IF step > 0 THEN',
    ...UNSIGNED,
    'tile := tile + 1 + v;',
    'END IF;',
    ...slots,
    'END LOOP;',
  ];
}

function slotStatements(
  layout: ViewLayout,
  slotIndex: number,
  accumulators: readonly Accumulator[],
  windows: readonly Window[],
): string[] {
  const { partial, input } = layout.slots[slotIndex]!;
  const own = accumulators.filter((accumulator) => accumulator.slot === slotIndex);
  /** `statement` for each window that the present tile lies in. */
  const where = (statement: (name: string) => string, condition: (name: string) => string | null): string[] =>
    own.map(({ name, window }) => {
      const seen = windows[window]?.windowUs === null ? [] : [`tile BETWEEN from_${window} AND until_${window}`];
      const conditions = [...seen, condition(name)].filter((one) => one !== null);
      return conditions.length === 0
        ? statement(name)
        : `IF ${conditions.join(' AND ')} THEN ${statement(name)} END IF;`;
    });
  if (partial === 'count') {
    return [
      ...UNSIGNED,
      ...where(
        (name) => `${name} := ${name} + v;`,
        () => null,
      ),
    ];
  }
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  if (partial === 'sum') {
    const double = [
      'IF x <> 0 THEN',
      ...UNSIGNED,
      `x := x * millrace_sql.power_of_two((${zigzag('v')})::int);`,
      'END IF;',
    ];
    return [
      ...UNSIGNED,
      'IF v > 0 THEN',
      // `count` of the loop is `n`: this slot's own count is kept in `y`.
      'y := v;',
      ...WIDE_UNSIGNED,
      WIDE_ZIGZAG,
      ...(input.kind === 'double' ? double : []),
      ...where(
        (name) => `${name} := ${name} + x; ${name}_n := ${name}_n + y;`,
        () => null,
      ),
      'END IF;',
    ];
  }
  const value = sqlValue(input);
  const take = (name: string): string => `${name} := ${value.read};`;
  const step = layout.tieBreak !== 'offset' ? [SKIP, ...UNSIGNED, 'p := p + v::int;'] : [SKIP, SKIP, SKIP];
  const better = {
    min: (name: string) => `(${name} IS NULL OR ${value.read} < ${name})`,
    max: (name: string) => `(${name} IS NULL OR ${value.read} > ${name})`,
    first: (name: string) => `${name} IS NULL`,
    last: () => null,
  }[partial];
  return [
    ...value.statements,
    'IF present THEN',
    ...where(take, better),
    ...(partial === 'first' || partial === 'last' ? step : []),
    'END IF;',
  ];
}

function outOfRange(layout: ViewLayout, feature: FeatureLayout, exactValue: string): string {
  const { result } = feature;
  const type = result.kind === 'decimal' ? `decimal(${result.precision},${result.scale})` : result.kind;
  return (
    `RAISE EXCEPTION 'feature "${feature.name}" of view "${layout.view}": its ${feature.aggregate} does not fit ${type}; the exact value is %', ` +
    `${exactValue} USING ERRCODE = 'numeric_value_out_of_range', DETAIL = 'value-out-of-range';`
  );
}

function resultStatements(
  layout: ViewLayout,
  feature: FeatureLayout,
  { name, slot }: Accumulator,
  out: string,
): string[] {
  const { partial, input } = layout.slots[slot]!;
  if (partial === 'count') return [`${out} := ${name};`];
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  if (partial !== 'sum') {
    const result = `${out} := ${sqlValue(input).result(name)};`;
    if (input.kind !== 'string') return [`IF ${name} IS NOT NULL THEN ${result} END IF;`];
    return [
      `IF ${name} IS NOT NULL THEN`,
      `IF position('\\x00'::bytea IN ${name}) > 0 THEN`,
      `RAISE EXCEPTION 'feature "${feature.name}" of view "${layout.view}": a text with the character U+0000 cannot be shown in SQL' USING ERRCODE = 'untranslatable_character', HINT = 'Read it by the client or HTTP.';`,
      'END IF;',
      result,
      'END IF;',
    ];
  }
  const some = (statements: readonly string[]): string[] => [`IF ${name}_n > 0 THEN`, ...statements, 'END IF;'];
  const failIf = (condition: string, exactValue: string): string =>
    `IF ${condition} THEN ${outOfRange(layout, feature, exactValue)} END IF;`;
  if (input.kind === 'double') {
    const check = failIf(`abs(${name}) >= ${DOUBLE_LIMIT}`, name);
    const total = `d := ${name}::double precision;`;
    if (feature.aggregate === 'sum') return some([check, total, `${out} := d;`]);
    // Postgres refuses to underflow to zero, which is what the division gives where 2·|total| <= n·2^-1074.
    return some([
      check,
      total,
      `${out} := CASE WHEN abs(d) < 1 AND abs(d) + abs(d) <= ${name}_n * millrace_sql.double_power_of_two(-1074) THEN 0 ELSE d / ${name}_n END;`,
    ]);
  }
  const exact = input.kind === 'decimal' ? `${name} * ${decimalUnit(input.scale)}` : name;
  if (feature.aggregate === 'avg') return some([`${out} := (${exact})::double precision / ${name}_n;`]);
  const limits = {
    int: `abs(${name}) > 9007199254740991`,
    int64: `${name} NOT BETWEEN ${INT64_MIN} AND ${INT64_MAX}`,
    decimal: `abs(${name}) >= 1e38`,
  };
  if (input.kind !== 'int' && input.kind !== 'int64' && input.kind !== 'decimal') {
    throw internalBug(`a sum over ${input.kind}`);
  }
  return some([failIf(limits[input.kind], exact), `${out} := ${exact};`]);
}
