import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import type { ScalarType } from '../values/field-type.ts';
import { CORRUPT, DOUBLE_LIMIT, SIGNED, wideUnsigned, WIDE_ZIGZAG, zigzag } from './sql-values.ts';

/** Results are found in units of 2^-1100, and half of one for what was cut off: below the last bit of every double. */
const UNIT_BITS = 1100;
const HALF_UNIT = `${powerOfTwo(-1000)} * ${powerOfTwo(-101)}`;
/** In half units, the middle of 0 and the least double: what is not above it rounds to 0, which Postgres refuses to do. */
const LEAST_HALVES = 2 ** 26;
/** Bytes of the longest sum of squares of doubles. */
const LONGEST_SQUARES = 640;

function powerOfTwo(e: number): string {
  return `${INNER_SQL.text}.power_of_two(${e})`;
}

/** What the results of moments are worked out in. */
export const MOMENTS_VARIABLES = 'num numeric; den numeric; quo numeric; root numeric;';

/** Reads a sum of squares into `x`, as `square-sum.ts` and `exact-sum.ts` write it; `y` stays. */
export function squareStatements(input: ScalarType): string[] {
  if (input.kind !== 'double') return [...wideUnsigned(400), WIDE_ZIGZAG];
  return [
    ...wideUnsigned(LONGEST_SQUARES),
    WIDE_ZIGZAG,
    'IF x <> 0 THEN',
    ...SIGNED,
    `v := ${zigzag('v')};`,
    `IF mod(x, 2) = 0 OR v NOT BETWEEN -2148 AND 2200 THEN ${CORRUPT} END IF;`,
    // A power beyond the doubles in two steps.
    `x := x * ${INNER_SQL.text}.power_of_two((v / 2)::int) * ${INNER_SQL.text}.power_of_two((v - v / 2)::int);`,
    'END IF;',
  ];
}

/**
 * `variance` or `stddev` out of the accumulators `name`, `name_n` and `name_q` into `out`, bit for bit as `moments.ts`; `outOfRange` is what is
 * done where it has no double.
 */
export function spreadStatements(
  feature: FeatureLayout,
  input: ScalarType,
  { name, out, outOfRange }: { readonly name: string; readonly out: string; readonly outOfRange: string },
): string[] {
  const { aggregate, population } = feature;
  if (aggregate !== 'variance' && aggregate !== 'stddev') throw internalBug(`a ${aggregate} of moments`);
  const isPopulation = population === true;
  const unit = input.kind === 'decimal' ? ` * 1e${2 * input.scale}` : '';
  const root = [
    'root := trunc(sqrt(quo));',
    'WHILE root * root > quo LOOP root := root - 1; END LOOP;',
    'WHILE (root + 1) * (root + 1) <= quo LOOP root := root + 1; END LOOP;',
    'present := present OR root * root <> quo;',
    'quo := root;',
  ];
  const scale =
    aggregate === 'variance' ? powerOfTwo(UNIT_BITS) : `${powerOfTwo(UNIT_BITS)} * ${powerOfTwo(UNIT_BITS)}`;
  return [
    `IF ${name}_n >= ${isPopulation ? 1 : 2} THEN`,
    `num := ${name}_n * ${name}_q - ${name} * ${name};`,
    `IF num < 0 OR ${name}_n > ${Number.MAX_SAFE_INTEGER} THEN ${outOfRange} ELSE`,
    `num := num * ${scale};`,
    `den := ${name}_n::numeric * (${name}_n - ${isPopulation ? 0 : 1})${unit};`,
    'quo := div(num, den);',
    // Whether something was cut off.
    'present := quo * den <> num;',
    ...(aggregate === 'stddev' ? root : []),
    'quo := quo * 2 + present::int;',
    `IF quo <= ${LEAST_HALVES} THEN ${out} := 0;`,
    `ELSIF quo * ${HALF_UNIT} >= ${DOUBLE_LIMIT} THEN ${outOfRange}`,
    `ELSE ${out} := (quo * ${HALF_UNIT})::double precision; END IF;`,
    'END IF;',
    'END IF;',
  ];
}
