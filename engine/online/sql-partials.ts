import type { FeatureLayout, PartialKind, SlotLayout, ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import type { ErrorCode } from '../values/cell.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';
import {
  categorySlotVariables,
  categoryStatements,
  categoryVariables,
  mapStatements,
  type WholeStatements,
} from './sql-by-category.ts';
import { gatheredList, gatherStatement, listedStatements, listResult, listVariables } from './sql-lists.ts';
import { hashAccumulators, hashResult, hashStatements } from './sql-approx-distinct.ts';
import { bucketAccumulators, bucketStatements, quantileStatements } from './sql-quantiles.ts';
import {
  countsResult,
  gatherCounts,
  gatheredCounts,
  isTallied,
  talliedStatements,
  talliedVariables,
} from './sql-counts.ts';
import { spreadStatements, squareStatements } from './sql-moments.ts';
import {
  CORRUPT,
  decimalUnit,
  DOUBLE_LIMIT,
  literal,
  SIGNED,
  sqlValue,
  TEXT,
  UNSIGNED,
  WIDE_UNSIGNED,
  WIDE_ZIGZAG,
  zigzag,
} from './sql-values.ts';

/** The code, in SQL alone, of a text that Postgres has no place for. */
const UNSTORABLE_TEXT = 'unstorable-text';

/** A slot to be decoded, and what its bytes depend on. */
export interface SlotPlace {
  readonly slot: SlotLayout;
  readonly hopUs: number | null;
  readonly tieBreak: ViewLayout['tieBreak'];
  /** Tells its variables from those of other slots. */
  readonly number: number;
}

/** An accumulator, and the condition under which it takes the tile at hand; null: always. */
export interface Take {
  readonly name: string;
  readonly seen: string | null;
}

/** The variables that an accumulator of a slot needs. */
export function accumulatorVariables(slot: SlotLayout, name: string): string[] {
  if (slot.by !== undefined) return categoryVariables(slot, name);
  const { partial, input, order } = slot;
  if (partial === 'count') return [`${name} bigint := 0;`];
  if (partial === 'sum') return [`${name} numeric := 0; ${name}_n bigint := 0;`];
  if (partial === 'moments') return [`${name} numeric := 0; ${name}_n bigint := 0; ${name}_q numeric := 0;`];
  if (partial === 'quantiles') return [bucketAccumulators(name)];
  if (partial === 'approxDistinct') return [hashAccumulators(name)];
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  if (isListed(partial)) return [gatheredList(name, input)];
  if (isTallied(slot)) return [gatheredCounts(name, input)];
  return [`${name} ${sqlValue(input).held};`, ...(order === undefined ? [] : [`${name}_y ${sqlValue(order).held};`])];
}

/** Whether a partial is a list of events. */
export function isListed(partial: PartialKind): boolean {
  return partial === 'firstN' || partial === 'lastN';
}

/** Where the list of a tile is; where the x of a `minBy` or `maxBy` waits while its y is read; the category at hand. */
export function slotVariables(place: SlotPlace): string[] {
  if (place.slot.by !== undefined) return categorySlotVariables(place, WHOLE);
  const { slot, number } = place;
  const { partial, input, order } = slot;
  if (input !== null && isListed(partial)) return [listVariables(waiting(number), input)];
  if (input !== null && isTallied(slot)) return [talliedVariables(waiting(number), input)];
  return input === null || order === undefined ? [] : [`${waiting(number)} ${sqlValue(input).held};`];
}

function waiting(slot: number): string {
  return `x_${slot}`;
}

/** Reads a slot's partial of the tile at hand, refuses what is not canonical, and has it taken. */
export function slotStatements(place: SlotPlace, takes: readonly Take[]): string[] {
  if (place.slot.by !== undefined) return categoryStatements(place, takes, WHOLE);
  const { partial, input, order, octaveBits, hashes } = place.slot;
  /** `statement` for each window that the present tile lies in. */
  const where = (statement: (name: string) => string, condition: (name: string) => string | null): string[] =>
    takes.map(({ name, seen }) => {
      const conditions = [seen, condition(name)].filter((one) => one !== null);
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
  if (partial === 'quantiles') return bucketStatements(octaveBits, (statement) => where(statement, () => null));
  if (partial === 'approxDistinct') return hashStatements(hashes, (statement) => where(statement, () => null));
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
  if (partial === 'values' || partial === 'counts') {
    const tally = waiting(place.number);
    return [
      ...talliedStatements(place.slot, tally),
      ...where(
        (name) => gatherCounts(place.slot, tally, name),
        () => null,
      ),
    ];
  }
  if (partial === 'firstN' || partial === 'lastN') {
    const list = waiting(place.number);
    return [
      ...listedStatements(place, list),
      'IF items > 0 THEN',
      ...where(
        (name) => gatherStatement(place.slot, list, name),
        () => null,
      ),
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
      `${waiting(place.number)} := ${value.read};`,
      ...by.statements,
      `IF NOT present THEN ${CORRUPT} END IF;`,
      ...where(
        (name) => `${name} := ${waiting(place.number)}; ${name}_y := ${by.read};`,
        (name) => `(${name}_y IS NULL OR ${by.read} ${comparison} ${name}_y)`,
      ),
      ...eventStatements(place),
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
    ...(partial === 'first' || partial === 'last' ? eventStatements(place) : []),
    'END IF;',
  ];
}

/** Steps over the event that the value is of. */
function eventStatements({ hopUs, tieBreak }: SlotPlace): string[] {
  const time =
    hopUs === null
      ? [...SIGNED, `v := ${zigzag('v')};`]
      : [...UNSIGNED, `IF v >= ${hopUs} THEN ${CORRUPT} END IF;`, `v := tile * ${hopUs} + v;`];
  return [
    ...time,
    `IF v > newest OR v < ${Number.MIN_SAFE_INTEGER} THEN ${CORRUPT} END IF;`,
    // Integer ids are texts too.
    ...(tieBreak === 'offset' ? [...SIGNED, ...UNSIGNED] : [...UNSIGNED, ...TEXT]),
  ];
}

/** The feature has no value, and `errors` says why. */
function errorStatement(feature: FeatureLayout, code: ErrorCode | typeof UNSTORABLE_TEXT): string {
  return `errors := coalesce(errors, '{}'::jsonb) || ${literal(JSON.stringify({ [feature.name]: code }))}::jsonb;`;
}

/** A feature's result out of an accumulator of its slot, into the variable `out`, or its error. */
export function resultStatements(place: SlotPlace, feature: FeatureLayout, name: string, out: string): string[] {
  return place.slot.by === undefined
    ? wholeResult(place.slot, feature, name, out)
    : mapStatements(place, feature, name, out, WHOLE);
}

function wholeResult(slot: SlotLayout, feature: FeatureLayout, name: string, out: string): string[] {
  const { partial, input, octaveBits, hashes } = slot;
  const unless = (condition: string, value: string): string =>
    `IF ${condition} THEN ${errorStatement(feature, 'value-out-of-range')} ELSE ${out} := ${value}; END IF;`;
  if (partial === 'count') return [unless(`${name} > ${Number.MAX_SAFE_INTEGER}`, name)];
  if (partial === 'approxDistinct') return hashResult(hashes, name, out);
  if (partial === 'quantiles') {
    const errors = {
      outOfRange: errorStatement(feature, 'value-out-of-range'),
      tooMany: errorStatement(feature, 'too-many-distinct'),
    };
    return quantileStatements(feature, octaveBits, { name, out, ...errors });
  }
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  if (feature.aggregate === 'variance' || feature.aggregate === 'stddev')
    return spreadStatements(feature, input, { name, out, outOfRange: errorStatement(feature, 'value-out-of-range') });
  // A text is UTF-8: what cannot be shown of it has U+0000, or a character that the database's encoding lacks.
  const guarded = (statement: string): string =>
    input.kind === 'string'
      ? `BEGIN ${statement} EXCEPTION WHEN data_exception THEN ${errorStatement(feature, UNSTORABLE_TEXT)} END;`
      : statement;
  if (isTallied(slot)) {
    const tooMany = errorStatement(feature, 'too-many-distinct');
    const outOfRange = errorStatement(feature, 'value-out-of-range');
    return countsResult(slot, feature, { name, out }, { tooMany, outOfRange, guarded });
  }
  if (partial !== 'sum' && partial !== 'moments') {
    const isList = isListed(partial);
    const result = `${out} := ${isList ? listResult(input, name) : sqlValue(input).result(name)};`;
    const isThere = isList ? `cardinality(${name}) > 0` : `${name} IS NOT NULL`;
    return [`IF ${isThere} THEN ${guarded(result)} END IF;`];
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

const WHOLE: WholeStatements = {
  accumulatorVariables,
  slotVariables,
  slotStatements,
  resultStatements: wholeResult,
  errorStatement,
};
