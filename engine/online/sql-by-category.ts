import type { FeatureLayout, SlotLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { resultColumn } from '../postgres/column-types.ts';
import { jsonbOf, jsonText } from './sql-json.ts';
import type { SlotPlace, Take } from './sql-partials.ts';
import { CORRUPT, literal, sqlValue, UNSIGNED } from './sql-values.ts';

/** What of a whole slot is decoded as it is without categories. */
export interface WholeStatements {
  accumulatorVariables(slot: SlotLayout, name: string): string[];
  slotVariables(place: SlotPlace): string[];
  slotStatements(place: SlotPlace, takes: readonly Take[]): string[];
  resultStatements(slot: SlotLayout, feature: FeatureLayout, name: string, out: string): string[];
  errorStatement(feature: FeatureLayout, code: 'too-many-distinct' | 'unstorable-text'): string;
}

const wholeOf = (slot: SlotLayout): SlotLayout => ({ ...slot, by: undefined });

function divisionOf({ by, partial }: SlotLayout): NonNullable<SlotLayout['by']> {
  if (by === undefined) throw internalBug(`a ${partial} slot has no categories`);
  return by;
}

/** Of each category in the window's tiles: which it is, where its partial stands and in which tile; and whether a tile had too many. */
export function categoryVariables(slot: SlotLayout, name: string): string[] {
  const { held } = sqlValue(divisionOf(slot).type);
  return [
    `${name}_k ${held}[] := '{}'; ${name}_p int[] := '{}'; ${name}_t bigint[] := '{}'; ${name}_x boolean := false;`,
    `${name}_r record; ${name}_jk text[]; ${name}_jv jsonb[];`,
  ];
}

/** The category at hand, the one before it, and where its partial begins. */
export function categorySlotVariables(place: SlotPlace, whole: WholeStatements): string[] {
  const { held } = sqlValue(divisionOf(place.slot).type);
  const { number } = place;
  return [
    `c_${number} ${held}; b_${number} ${held}; p_${number} int;`,
    ...whole.slotVariables({ ...place, slot: wholeOf(place.slot) }),
  ];
}

/**
 * Reads a tile's categories. What a partial holds is read again once all of its category's are known: only then are there accumulators for it, those of
 * one category at a time.
 */
export function categoryStatements(place: SlotPlace, takes: readonly Take[], whole: WholeStatements): string[] {
  const { type, limit } = divisionOf(place.slot);
  const { number } = place;
  const key = sqlValue(type);
  const taken = (statement: (name: string) => string): string[] =>
    takes.map(({ name, seen }) => (seen === null ? statement(name) : `IF ${seen} THEN ${statement(name)} END IF;`));
  return [
    ...UNSIGNED,
    'IF v = 1 THEN',
    ...taken((name) => `${name}_x := true;`),
    'ELSIF v > 1 THEN',
    `IF v - 1 > ${limit} THEN ${CORRUPT} END IF;`,
    `b_${number} := NULL;`,
    'FOR at_category IN 1..(v - 1) LOOP',
    ...key.statements,
    `IF NOT present THEN ${CORRUPT} END IF;`,
    `c_${number} := ${key.read};`,
    `IF b_${number} IS NOT NULL AND b_${number} >= c_${number} THEN ${CORRUPT} END IF;`,
    `b_${number} := c_${number};`,
    `p_${number} := p;`,
    // The partial of nothing, which is one byte, and no other begins with it.
    `IF get_byte(b, p) = 0 THEN ${CORRUPT} END IF;`,
    ...whole.slotStatements({ ...place, slot: wholeOf(place.slot) }, []),
    ...taken(
      (name) =>
        `${name}_k := array_append(${name}_k, c_${number}); ${name}_p := array_append(${name}_p, p_${number}); ${name}_t := array_append(${name}_t, tile);`,
    ),
    'END LOOP;',
    'END IF;',
  ];
}

/** The map of a feature, as jsonb, into `out`: each category over the tiles it is in. */
export function mapStatements(
  place: SlotPlace,
  feature: FeatureLayout,
  name: string,
  out: string,
  whole: WholeStatements,
): string[] {
  const { type, limit } = divisionOf(place.slot);
  const { result } = feature;
  if (result.kind !== 'map') throw internalBug(`feature "${feature.name}" has categories and is no map`);
  const slot = wholeOf(place.slot);
  const each: FeatureLayout = { ...feature, result: result.value };
  const inner = `${name}i`;
  const isFailed = `coalesce(errors ->> ${literal(feature.name)}, '') <> ''`;
  const text = jsonText(type, sqlValue(type).result(`${name}_r.k`));
  const unstorable = whole.errorStatement(feature, 'unstorable-text');
  return [
    `IF ${name}_x OR (SELECT count(DISTINCT u.k) FROM unnest(${name}_k) u(k)) > ${limit} THEN`,
    whole.errorStatement(feature, 'too-many-distinct'),
    `ELSIF cardinality(${name}_k) > 0 THEN`,
    `${name}_jk := '{}'; ${name}_jv := '{}';`,
    `FOR ${name}_r IN SELECT u.k, array_agg(u.p ORDER BY u.n) AS ps, array_agg(u.t ORDER BY u.n) AS ts FROM unnest(${name}_k, ${name}_p, ${name}_t) WITH ORDINALITY u(k, p, t, n) GROUP BY u.k LOOP`,
    'DECLARE',
    ...whole.accumulatorVariables(slot, inner),
    `${inner}_o ${resultColumn(result.value).castName};`,
    'BEGIN',
    `FOR at_tile IN 1..cardinality(${name}_r.ps) LOOP`,
    `p := ${name}_r.ps[at_tile]; tile := ${name}_r.ts[at_tile];`,
    ...whole.slotStatements({ ...place, slot }, [{ name: inner, seen: null }]),
    'END LOOP;',
    ...whole.resultStatements(slot, each, inner, `${inner}_o`),
    `EXIT WHEN ${isFailed};`,
    `BEGIN ${name}_jk := array_append(${name}_jk, ${text}); EXCEPTION WHEN data_exception THEN ${unstorable} END;`,
    `EXIT WHEN ${isFailed};`,
    `${name}_jv := array_append(${name}_jv, coalesce(${jsonbOf(result.value, `${inner}_o`)}, 'null'::jsonb));`,
    'END;',
    'END LOOP;',
    `IF NOT (${isFailed}) THEN`,
    `${out} := (SELECT jsonb_object_agg(u.k, u.v) FROM unnest(${name}_jk, ${name}_jv) u(k, v));`,
    'END IF;',
    'END IF;',
  ];
}
