import { type FeatureLayout, storedFeatures, type ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { INNER_SQL } from '../postgres/schemas.ts';
import { isSameSpan, reachUs, type WindowSpan } from '../state/window-tiles.ts';
import { ALL_CORRUPT } from '../values/feature-errors.ts';
import { LIST_VARIABLES } from './sql-lists.ts';
import { MOMENTS_VARIABLES } from './sql-moments.ts';
import { HASH_VARIABLES } from './sql-approx-distinct.ts';
import { BUCKET_VARIABLES } from './sql-quantiles.ts';
import {
  accumulatorVariables,
  isListed,
  resultStatements,
  type SlotPlace,
  slotStatements,
  slotVariables,
  type Take,
} from './sql-partials.ts';
import { CORRUPT, literal, SIGNED, sqlConstant, UNSIGNED, zigzag } from './sql-values.ts';

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
 * layout order, `ahead` (null: it has expired, and has no row) and `errors` (jsonb, as `FeatureErrors`). Nothing of a state makes it raise. One pass over the bytes; everything that
 * depends on the layout is decided here, not in SQL.
 */
export function decoderBody(layout: ViewLayout, layoutTag: number): string {
  const { expireUs } = layout;
  const windows: Window[] = [];
  const accumulators: Accumulator[] = [];
  const ofFeature = storedFeatures(layout).map((feature): Accumulator => {
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
    ...(expireUs === undefined ? [] : [`IF newest <= at_us - ${expireUs} THEN ahead := NULL; RETURN; END IF;`]),
    'END IF;',
    ...storedFeatures(layout).flatMap((feature, index) => [
      ...resultStatements(placeOf(layout, feature.slot), feature, ofFeature[index]!.name, `o${index}`),
      ...defaultStatements(feature, `o${index}`),
    ]),
    // What is wrong with the bytes, and nothing else: other errors are the server's.
    'EXCEPTION WHEN data_exception OR data_corrupted THEN',
    ...storedFeatures(layout).map((_, index) => `o${index} := NULL;`),
    'ahead := false;',
    `errors := ${literal(JSON.stringify(ALL_CORRUPT))};`,
    'END;',
  ];
  const variables = [
    ...accumulators.flatMap(({ name, slot }) => accumulatorVariables(layout.slots[slot]!, name)),
    ...layout.slots.flatMap((_, slot) => slotVariables(placeOf(layout, slot))),
    ...(layout.slots.some(({ partial }) => partial === 'moments') ? [MOMENTS_VARIABLES] : []),
    ...(layout.slots.some(({ partial }) => isListed(partial)) ? [LIST_VARIABLES] : []),
    ...(layout.slots.some(({ partial }) => partial === 'quantiles') ? [BUCKET_VARIABLES] : []),
    ...(layout.slots.some(({ partial }) => partial === 'approxDistinct') ? [HASH_VARIABLES] : []),
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

function placeOf(layout: ViewLayout, index: number): SlotPlace {
  const slot = layout.slots[index];
  if (slot === undefined) throw internalBug(`view "${layout.view}" has no slot ${index}`);
  return { slot, hopUs: layout.groups[slot.group]?.hopUs ?? null, tieBreak: layout.tieBreak, number: index };
}

/** What takes a slot, each while the tile at hand lies in its window. */
function takesOf(slot: number, accumulators: readonly Accumulator[], windows: readonly Window[]): Take[] {
  return accumulators
    .filter((accumulator) => accumulator.slot === slot)
    .map(({ name, window }) => ({
      name,
      seen: windows[window]?.windowUs === null ? null : `tile BETWEEN from_${window} AND until_${window}`,
    }));
}

function groupStatements(
  layout: ViewLayout,
  group: number,
  accumulators: readonly Accumulator[],
  windows: readonly Window[],
): string[] {
  const slots = layout.slots.flatMap((slot, index) =>
    slot.group === group ? slotStatements(placeOf(layout, index), takesOf(index, accumulators, windows)) : [],
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

/** As `fillDefaults` has it: in place of null, where that is no error. */
function defaultStatements({ name, result, default: fill }: FeatureLayout, out: string): string[] {
  if (fill === undefined) return [];
  const isFine = `coalesce(errors ->> ${literal(name)}, '') = ''`;
  return [`IF ${out} IS NULL AND ${isFine} THEN ${out} := ${sqlConstant(result, fill)}; END IF;`];
}
