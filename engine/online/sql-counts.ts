import type { FeatureLayout, SlotLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { columnFormat } from '../postgres/column-types.ts';
import type { ScalarType } from '../values/field-type.ts';
import { jsonText } from './sql-json.ts';
import { CORRUPT, sqlValue, UNSIGNED } from './sql-values.ts';

/** Whether a partial is the distinct values of a tile. */
export function isTallied({ partial }: SlotLayout): boolean {
  return partial === 'values' || partial === 'counts';
}

/** The variables of a tile's values and counts: all of them, the value just read, whether they were too many. */
export function talliedVariables(name: string, input: ScalarType): string {
  const { held } = sqlValue(input);
  return `${name} ${held}[]; ${name}_c bigint[]; ${name}_x ${held}; ${name}_more boolean; ${name}_n bigint; ${name}_at bigint;`;
}

/** The variables that gather them over tiles. */
export function gatheredCounts(name: string, input: ScalarType): string {
  return `${name} ${sqlValue(input).held}[] := '{}'; ${name}_c bigint[] := '{}'; ${name}_more boolean := false;`;
}

function inputOf({ partial, input }: SlotLayout): ScalarType {
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  return input;
}

function limitOf({ partial, limit }: SlotLayout): number {
  if (limit === undefined) throw internalBug(`a ${partial} slot without a limit`);
  return limit;
}

/** Reads the values of a tile, and their counts, into `name` and `name_c`; refuses what `value-counts.ts` refuses. */
export function talliedStatements(slot: SlotLayout, name: string): string[] {
  const value = sqlValue(inputOf(slot));
  const x = `${name}_x`;
  const counts = [...UNSIGNED, `IF v = 0 THEN ${CORRUPT} END IF;`, `${name}_c := array_append(${name}_c, v);`];
  return [
    ...UNSIGNED,
    `${name} := '{}'; ${name}_c := '{}'; ${name}_more := v = 1; ${name}_n := v - 1; ${name}_at := 1;`,
    `IF ${name}_n > ${limitOf(slot)} THEN ${CORRUPT} END IF;`,
    `WHILE ${name}_at <= ${name}_n LOOP`,
    ...value.statements,
    `IF NOT present THEN ${CORRUPT} END IF;`,
    `IF ${name}_at > 1 AND ${value.read} <= ${x} THEN ${CORRUPT} END IF;`,
    `${x} := ${value.read};`,
    `${name} := array_append(${name}, ${x});`,
    ...(slot.partial === 'counts' ? counts : []),
    `${name}_at := ${name}_at + 1;`,
    'END LOOP;',
  ];
}

/** Takes the values `name` of a tile into those of the tiles before it, `into`. */
export function gatherCounts(slot: SlotLayout, name: string, into: string): string {
  const counts = slot.partial === 'counts' ? ` ${into}_c := ${into}_c || ${name}_c;` : '';
  return `${into}_more := ${into}_more OR ${name}_more; ${into} := ${into} || ${name};${counts}`;
}

/** How a feature's errors are told. */
interface CountErrors {
  readonly tooMany: string;
  readonly outOfRange: string;
  /** Runs what may give a text that Postgres has no place for. */
  readonly guarded: (statement: string) => string;
}

/** `distinct`, `topK` or `histogram` out of the gathered values `name` into `out`. */
export function countsResult(
  slot: SlotLayout,
  feature: FeatureLayout,
  { name, out }: { readonly name: string; readonly out: string },
  { tooMany, outOfRange, guarded }: CountErrors,
): string[] {
  const input = inputOf(slot);
  const distinct = `(SELECT count(DISTINCT u.x) FROM unnest(${name}) u(x))`;
  const totals = `(SELECT u.x, sum(u.c) AS s FROM unnest(${name}, ${name}_c) u(x, c) GROUP BY u.x) t`;
  const shown = sqlValue(input).result('t.x');
  const results = {
    distinct: `${out} := ${distinct};`,
    topK: `${out} := ARRAY(SELECT (${shown})::${columnFormat(input).castName} FROM (SELECT t.x, t.s FROM ${totals} ORDER BY t.s DESC, t.x LIMIT ${feature.top ?? 0}) t ORDER BY t.s DESC, t.x);`,
    histogram: `${out} := (SELECT jsonb_object_agg(${jsonText(input, shown)}, t.s) FROM ${totals});`,
  };
  const { aggregate } = feature;
  if (aggregate !== 'distinct' && aggregate !== 'topK' && aggregate !== 'histogram')
    throw internalBug(`feature "${feature.name}" reads a ${aggregate} from counts of values`);
  const found =
    aggregate === 'distinct'
      ? [`ELSE ${results.distinct}`]
      : [
          `ELSIF cardinality(${name}) > 0 THEN`,
          `IF (SELECT max(t.s) FROM ${totals}) > ${Number.MAX_SAFE_INTEGER} THEN ${outOfRange} ELSE`,
          guarded(results[aggregate]),
          'END IF;',
        ];
  return [`IF ${name}_more OR ${distinct} > ${limitOf(slot)} THEN ${tooMany}`, ...found, 'END IF;'];
}
