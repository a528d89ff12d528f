import type { FeatureLayout, SlotLayout, ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { ErrorCode } from '../values/cell.ts';
import { ALL_CORRUPT } from '../values/feature-errors.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';
import {
  CORRUPT,
  decimalUnit,
  DOUBLE_LIMIT,
  literal,
  SIGNED,
  sqlConstant,
  sqlValue,
  TEXT,
  UNSIGNED,
  WIDE_UNSIGNED,
  WIDE_ZIGZAG,
  zigzag,
} from './sql-values.ts';
import { isSameSpan, reachUs, type WindowSpan } from '../state/window-tiles.ts';
import { MOMENTS_VARIABLES, spreadStatements, squareStatements } from './sql-moments.ts';

/** The code, in SQL alone, of a text that Postgres has no place for. */
const UNSTORABLE_TEXT = 'unstorable-text';

/** One running result: a slot over a window. Features of the same slot and window share it. */
interface Accumulator {
  readonly name: string;
  readonly slot: number;
  readonly window: number;
}

interface Window extends WindowSpan {
  readonly group: number;
}

/**
 * The body of the PL/pgSQL function that decodes a state and reads it at a time, bit for bit as `openStored` and `ViewReducer.read`: it refuses
 * exactly the bytes that they refuse. Arguments: `state_bytes bytea`, `state_crc int` (null: not known), `at_time timestamptz`; results: `o0 …` in
 * layout order, `ahead` and `errors` (jsonb, as `FeatureErrors`). Nothing of a state makes it raise. One pass over the bytes; everything that
 * depends on the layout is decided here, not in SQL.
 */
export function decoderBody(layout: ViewLayout, layoutTag: number): string {
  const windows: Window[] = [];
  const accumulators: Accumulator[] = [];
  const ofFeature = layout.features.map((feature): Accumulator => {
    const slot = layout.slots[feature.slot];
    if (slot === undefined) throw internalBug(`feature "${feature.name}" has no slot`);
    let window = windows.findIndex((known) => known.group === slot.group && isSameSpan(known, feature));
    if (window < 0) {
      const { windowUs, agoUs } = feature;
      window = windows.push({ group: slot.group, windowUs, agoUs }) - 1;
    }
    const known = accumulators.find((one) => one.slot === feature.slot && one.window === window);
    if (known !== undefined) return known;
    const accumulator = { name: `a${accumulators.length}`, slot: feature.slot, window };
    accumulators.push(accumulator);
    return accumulator;
  });
  const header = `'\\x01${layoutTag.toString(16).padStart(8, '0')}'::bytea`;
  const statements = [
    'at_us := extract(epoch FROM at_time) * 1000000;',
    ...windows.flatMap((window, index) => windowBounds(layout, window, index)),
    'ahead := false;',
    'BEGIN',
    "b := state_bytes || '\\x'::bytea;",
    'size := length(b);',
    `IF substring(b FROM 1 FOR 5) <> ${header} OR ${INNER_SQL.text}.state_crc(b) <> state_crc THEN ${CORRUPT} END IF;`,
    'IF size > 5 THEN',
    ...SIGNED,
    `newest := ${zigzag('v')};`,
    'ahead := at_us <= newest;',
    ...layout.groups.flatMap((_, group) => groupStatements(layout, group, accumulators, windows)),
    `IF p < size THEN ${CORRUPT} END IF;`,
    'END IF;',
    ...layout.features.flatMap((feature, index) => [
      ...resultStatements(layout, feature, ofFeature[index]!, `o${index}`),
      ...defaultStatements(feature, `o${index}`),
    ]),
    // What is wrong with the bytes, and nothing else: other errors are the server's.
    'EXCEPTION WHEN data_exception OR data_corrupted THEN',
    ...layout.features.map((_, index) => `o${index} := NULL;`),
    'ahead := false;',
    `errors := ${literal(JSON.stringify(ALL_CORRUPT))};`,
    'END;',
  ];
  const variables = [
    ...accumulators.flatMap((accumulator) => accumulatorVariables(layout, accumulator)),
    ...layout.slots.flatMap(slotVariables),
    ...(layout.slots.some(({ partial }) => partial === 'moments') ? [MOMENTS_VARIABLES] : []),
  ];
  return [
    'DECLARE',
    'b bytea; size int; p int := 5; start int; byte int; shift int; v bigint; n bigint; e int; tile bigint; newest bigint; at_us bigint;',
    'present boolean; x numeric; y bigint; d double precision; z bytea;',
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

/** As `firstTileSeen` and `lastTileSeen` have it. */
function windowBounds(layout: ViewLayout, { group, ...span }: Window, index: number): string[] {
  const hopUs = layout.groups[group]?.hopUs ?? null;
  if (span.windowUs === null || hopUs === null) return [];
  return [
    `from_${index} := ${floorDivision(`at_us - ${reachUs(span)}`, hopUs)};`,
    `until_${index} := ${floorDivision(span.agoUs === undefined ? 'at_us' : `at_us - ${span.agoUs}`, hopUs)};`,
  ];
}

function accumulatorVariables(layout: ViewLayout, { name, slot }: Accumulator): string[] {
  const { partial, input, order } = layout.slots[slot]!;
  if (partial === 'count') return [`${name} bigint := 0;`];
  if (partial === 'sum') return [`${name} numeric := 0; ${name}_n bigint := 0;`];
  if (partial === 'moments') return [`${name} numeric := 0; ${name}_n bigint := 0; ${name}_q numeric := 0;`];
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  return [`${name} ${sqlValue(input).held};`, ...(order === undefined ? [] : [`${name}_y ${sqlValue(order).held};`])];
}

/** Where the x of a `minBy` or `maxBy` waits while its y is read. */
function slotVariables({ input, order }: SlotLayout, index: number): string[] {
  return input === null || order === undefined ? [] : [`${waiting(index)} ${sqlValue(input).held};`];
}

function waiting(slot: number): string {
  return `x_${slot}`;
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
  const { hopUs, spanUs } = layout.groups[group]!;
  if (hopUs === null) return slots;
  return [
    ...UNSIGNED,
    'n := v;',
    ...SIGNED,
    `tile := ${zigzag('v')};`,
    // In doubles, as `oldestTile` has it: near the ends of time they round.
    `IF tile < floor((newest::double precision - ${spanUs}) / ${hopUs}) THEN ${CORRUPT} END IF;`,
    'FOR step IN 0..n LOOP',
    'IF step > 0 THEN',
    ...UNSIGNED,
    'tile := tile + 1 + v;',
    'END IF;',
    ...slots,
    'END LOOP;',
    `IF tile <> ${floorDivision('newest', hopUs)} THEN ${CORRUPT} END IF;`,
  ];
}

function slotStatements(
  layout: ViewLayout,
  slotIndex: number,
  accumulators: readonly Accumulator[],
  windows: readonly Window[],
): string[] {
  const { partial, input, order } = layout.slots[slotIndex]!;
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
  if (partial === 'sum' || partial === 'moments') {
    const double = [
      'IF x <> 0 THEN',
      ...SIGNED,
      `v := ${zigzag('v')};`,
      `IF mod(x, 2) = 0 OR v NOT BETWEEN -1074 AND 1100 THEN ${CORRUPT} END IF;`,
      `x := x * ${INNER_SQL.text}.power_of_two(v::int);`,
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
      ...(partial === 'moments' ? squareStatements(input) : []),
      ...(partial === 'moments'
        ? where(
            (name) => `${name}_q := ${name}_q + x;`,
            () => null,
          )
        : []),
      'END IF;',
    ];
  }
  const value = sqlValue(input);
  if (partial === 'minBy' || partial === 'maxBy') {
    if (order === undefined) throw internalBug(`a ${partial} slot without an order`);
    const by = sqlValue(order);
    // Tiles come in order of time: of equal ones minBy has the first, maxBy the last.
    const comparison = partial === 'minBy' ? '<' : '>=';
    return [
      ...value.statements,
      'IF present THEN',
      `${waiting(slotIndex)} := ${value.read};`,
      ...by.statements,
      `IF NOT present THEN ${CORRUPT} END IF;`,
      ...where(
        (name) => `${name} := ${waiting(slotIndex)}; ${name}_y := ${by.read};`,
        (name) => `(${name}_y IS NULL OR ${by.read} ${comparison} ${name}_y)`,
      ),
      ...eventStatements(layout, slotIndex),
      'END IF;',
    ];
  }
  const take = (name: string): string => `${name} := ${value.read};`;
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
    ...(partial === 'first' || partial === 'last' ? eventStatements(layout, slotIndex) : []),
    'END IF;',
  ];
}

/** Steps over the event that the value is of. */
function eventStatements(layout: ViewLayout, slotIndex: number): string[] {
  const { hopUs } = layout.groups[layout.slots[slotIndex]!.group]!;
  const time =
    hopUs === null
      ? [...SIGNED, `v := ${zigzag('v')};`]
      : [...UNSIGNED, `IF v >= ${hopUs} THEN ${CORRUPT} END IF;`, `v := tile * ${hopUs} + v;`];
  return [
    ...time,
    `IF v > newest OR v < ${Number.MIN_SAFE_INTEGER} THEN ${CORRUPT} END IF;`,
    ...(layout.tieBreak === 'id' ? [...UNSIGNED, ...TEXT] : [...SIGNED, ...UNSIGNED]),
  ];
}

/** The feature has no value, and `errors` says why. */
function errorStatement(feature: FeatureLayout, code: ErrorCode | typeof UNSTORABLE_TEXT): string {
  return `errors := coalesce(errors, '{}'::jsonb) || ${literal(JSON.stringify({ [feature.name]: code }))}::jsonb;`;
}

/** As `fillDefaults` has it: in place of null, where that is no error. */
function defaultStatements({ name, result, default: fill }: FeatureLayout, out: string): string[] {
  if (fill === undefined) return [];
  const isFine = `coalesce(errors ->> ${literal(name)}, '') = ''`;
  return [`IF ${out} IS NULL AND ${isFine} THEN ${out} := ${sqlConstant(result, fill)}; END IF;`];
}

function resultStatements(
  layout: ViewLayout,
  feature: FeatureLayout,
  { name, slot }: Accumulator,
  out: string,
): string[] {
  const { partial, input } = layout.slots[slot]!;
  const unless = (condition: string, value: string): string =>
    `IF ${condition} THEN ${errorStatement(feature, 'value-out-of-range')} ELSE ${out} := ${value}; END IF;`;
  if (partial === 'count') return [unless(`${name} > ${Number.MAX_SAFE_INTEGER}`, name)];
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  if (feature.aggregate === 'variance' || feature.aggregate === 'stddev')
    return spreadStatements(feature, input, { name, out, outOfRange: errorStatement(feature, 'value-out-of-range') });
  if (partial !== 'sum' && partial !== 'moments') {
    const result = `${out} := ${sqlValue(input).result(name)};`;
    if (input.kind !== 'string') return [`IF ${name} IS NOT NULL THEN ${result} END IF;`];
    return [
      `IF ${name} IS NOT NULL THEN`,
      // It is UTF-8: what cannot be shown has U+0000, or a character that the database's encoding lacks.
      `BEGIN ${result} EXCEPTION WHEN data_exception THEN ${errorStatement(feature, UNSTORABLE_TEXT)} END;`,
      'END IF;',
    ];
  }
  const some = (statements: readonly string[]): string[] => [`IF ${name}_n > 0 THEN`, ...statements, 'END IF;'];
  if (input.kind === 'double') {
    const isHuge = `abs(${name}) >= ${DOUBLE_LIMIT}`;
    const total = `${name}::double precision`;
    if (feature.aggregate === 'sum') return some([unless(isHuge, total)]);
    // Postgres refuses to underflow to zero, which is what the division gives where 2·|total| <= n·2^-1074.
    const tiny = `abs(d) < 1 AND abs(d) + abs(d) <= ${name}_n * ${INNER_SQL.text}.double_power_of_two(-1074)`;
    return some([
      `d := CASE WHEN NOT ${isHuge} THEN ${total} END;`,
      unless('d IS NULL', `CASE WHEN ${tiny} THEN 0 ELSE d / ${name}_n END`),
    ]);
  }
  const exact = input.kind === 'decimal' ? `${name} * ${decimalUnit(input.scale)}` : name;
  if (feature.aggregate === 'avg')
    return some([unless(`abs(${exact}) >= ${DOUBLE_LIMIT}`, `(${exact})::double precision / ${name}_n`)]);
  const limits = {
    int: `abs(${name}) > 9007199254740991`,
    int64: `${name} NOT BETWEEN ${INT64_MIN} AND ${INT64_MAX}`,
    decimal: `abs(${name}) >= 1e38`,
  };
  if (input.kind !== 'int' && input.kind !== 'int64' && input.kind !== 'decimal') {
    throw internalBug(`a sum over ${input.kind}`);
  }
  return some([unless(limits[input.kind], exact)]);
}
