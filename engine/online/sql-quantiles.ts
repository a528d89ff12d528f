import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import { mostBuckets, OCTAVES } from '../reduce/quantile-buckets.ts';
import { CORRUPT, SIGNED, UNSIGNED, zigzag } from './sql-values.ts';

/** What buckets are read into. */
export const BUCKET_VARIABLES = 'bucket bigint;';

/** What a window's buckets are gathered in: a bucket and its count for each of each tile, and whether a tile has too many. */
export function bucketAccumulators(name: string): string {
  return `${name}_b int[] := '{}'; ${name}_c bigint[] := '{}'; ${name}_over boolean := false;`;
}

/**
 * Reads a tile's buckets as `quantiles.ts` writes them; `where` gives a statement for each window that the tile lies in.
 */
export function bucketStatements(
  octaveBits: number | undefined,
  where: (statement: (name: string) => string) => string[],
): string[] {
  const bits = given(octaveBits);
  const mask = 2 ** bits - 1;
  return [
    ...UNSIGNED,
    'IF v = 1 THEN',
    ...where((name) => `${name}_over := true;`),
    'ELSIF v > 1 THEN',
    'y := v - 1;',
    `IF y > ${mostBuckets(bits)} THEN ${CORRUPT} END IF;`,
    ...SIGNED,
    `bucket := ${zigzag('v')};`,
    'LOOP',
    `IF abs(bucket) > ${OCTAVES * 2 ** bits} THEN ${CORRUPT} END IF;`,
    // So near to 0 an octave has fewer doubles than buckets.
    `IF bucket <> 0 AND (abs(bucket) - 1) >> ${bits} < ${bits} THEN`,
    `IF ((abs(bucket) - 1) & ${mask}) & ((1 << (${bits} - ((abs(bucket) - 1) >> ${bits}))::int) - 1) <> 0 THEN ${CORRUPT} END IF;`,
    'END IF;',
    ...UNSIGNED,
    `IF v = 0 THEN ${CORRUPT} END IF;`,
    ...where((name) => `${name}_b := ${name}_b || bucket::int; ${name}_c := ${name}_c || v;`),
    'y := y - 1;',
    'EXIT WHEN y = 0;',
    ...UNSIGNED,
    'bucket := bucket + 1 + v;',
    'END LOOP;',
    'END IF;',
  ];
}

/** `quantiles` or `median` out of what was gathered under `name` into `out`, bit for bit as `quantiles.ts`. */
export function quantileStatements(
  feature: FeatureLayout,
  octaveBits: number | undefined,
  into: {
    readonly name: string;
    readonly out: string;
    readonly outOfRange: string;
    readonly tooMany: string;
  },
): string[] {
  const bits = given(octaveBits);
  const { name, out, outOfRange, tooMany } = into;
  const { aggregate } = feature;
  const asked = aggregate === 'median' ? [0.5] : feature.quantiles;
  if (asked === undefined) throw internalBug(`a ${aggregate} of buckets`);
  const perOctave = 2 ** bits;
  const power = (e: string): string => `${INNER_SQL.text}.double_power_of_two(${e})`;
  const middle = [
    'CASE WHEN found.bucket = 0 THEN 0 ELSE sign(found.bucket::double precision) * CASE',
    `WHEN place.octave <= ${bits} THEN (place.step >> (${bits} - place.octave))::double precision * ${power('-1074')}`,
    `ELSE (2 * place.step + 1)::double precision * ${power(`place.octave - ${1075 + bits}`)} END END`,
  ].join(' ');
  return [
    `IF ${name}_over OR (SELECT count(DISTINCT held.bucket) FROM unnest(${name}_b) held(bucket)) > ${mostBuckets(bits)} THEN ${tooMany}`,
    `ELSIF cardinality(${name}_b) > 0 THEN`,
    `x := (SELECT sum(held.amount) FROM unnest(${name}_c) held(amount));`,
    `IF x > ${Number.MAX_SAFE_INTEGER} THEN ${outOfRange} ELSE`,
    `${out} := (WITH counted AS (SELECT held.bucket, sum(sum(held.amount)) OVER (ORDER BY held.bucket) AS seen FROM unnest(${name}_b, ${name}_c) held(bucket, amount) GROUP BY held.bucket)`,
    `SELECT ${aggregate === 'median' ? middle : `array_agg(${middle} ORDER BY asked.number)`} FROM unnest('{${asked.join(',')}}'::numeric[]) WITH ORDINALITY asked(q, number)`,
    'CROSS JOIN LATERAL (SELECT counted.bucket FROM counted WHERE counted.seen > floor(asked.q * (x - 1)) ORDER BY counted.bucket LIMIT 1) found',
    `CROSS JOIN LATERAL (SELECT (abs(found.bucket) - 1) >> ${bits} AS octave, ${perOctave} + ((abs(found.bucket) - 1) & ${perOctave - 1}) AS step) place);`,
    'END IF;',
    'END IF;',
  ];
}

function given(octaveBits: number | undefined): number {
  if (octaveBits === undefined) throw internalBug('a slot of quantiles without a width of buckets');
  return octaveBits;
}
