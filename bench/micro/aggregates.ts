/**
 * What each aggregate costs alone: an event, a read of seven days in tiles of an hour, a tile's bytes. `node bench/micro/aggregates.ts [PART OF A NAME]`;
 * `--write` keeps the figures in `aggregates.json`, of which docs/features.md is written (`node scripts/write-aggregates-table.ts`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import type { SlotLayout } from '../../engine/define/view-layout.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { AGGREGATE_CASES, type AggregateCase, HOUR_US, layoutOf, WINDOW_US } from '../../scripts/aggregate-cases.ts';

const EVENTS = 300_000;
const ENTITIES = 100;
const TILES = 169;
/** The clock of CPU time may be as coarse as 10 ms: shorter than this nothing is measured. */
const LEAST_NS = 300e6;
/** The least of so many is what others on the machine disturbed least. */
const TIMES = 3;

interface Figures {
  readonly eventNs: number;
  readonly readNs: number;
  readonly tileBytes: number;
}

/** A fixed pseudo-random sequence, so that two runs do the same work. */
function sequence(): (below: number) => number {
  let seed = 42;
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 0x100000000) * below);
  };
}

/** Doubles as prices are: cents, which no power of two divides. */
function valueOf(type: ScalarType | null | undefined, random: (below: number) => number): ScalarValue {
  if (type === null) return true;
  if (type?.kind === 'string') return `city ${random(500)}`;
  return type?.kind === 'double' ? random(100_000) / 100 : random(3000) - 100;
}

/** CPU time of this thread for one operation, the least of some: `run` does `operations`, as often as the clock needs. */
function nsPer(operations: number, run: () => void): number {
  run();
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < TIMES; time++) {
    let rounds = 0;
    let spentNs = 0;
    const from = process.threadCpuUsage();
    for (; spentNs < LEAST_NS; rounds++) {
      run();
      const { user, system } = process.threadCpuUsage(from);
      spentNs = (user + system) * 1000;
    }
    least = Math.min(least, spentNs / (rounds * operations));
  }
  return least;
}

function eventsOf(
  slot: Omit<SlotLayout, 'group'>,
): readonly { readonly entity: number; readonly event: PreparedEvent }[] {
  const random = sequence();
  return Array.from({ length: EVENTS }, (_, index) => {
    const eventTimeUs = Math.floor((index * WINDOW_US) / EVENTS) + random(HOUR_US);
    const inputs = [
      valueOf(slot.input, random),
      ...(slot.order === undefined ? [] : [valueOf(slot.order, random)]),
      ...(slot.by === undefined ? [] : [`category ${random(20)}`]),
    ];
    const event = { keyText: '', key: [], eventTimeUs, id: `f${index}`, partition: 0, offset: index, inputs };
    return { entity: random(ENTITIES), event };
  });
}

function measured(one: AggregateCase): Figures {
  const reducer = createViewReducer(layoutOf(one));
  const events = eventsOf(one[2]);
  let states: EntityState[] = [];
  const eventNs = nsPer(EVENTS, () => {
    states = Array.from({ length: ENTITIES }, () => reducer.empty());
    for (const { entity, event } of events) reducer.apply(states[entity]!, event);
  });
  const atUs = WINDOW_US + HOUR_US;
  const readNs = nsPer(ENTITIES, () => {
    for (const state of states) reducer.read(state, atUs);
  });
  const bytes = states.reduce((sum, state) => sum + reducer.encode(state).length, 0);
  return { eventNs: rounded(eventNs), readNs: rounded(readNs), tileBytes: rounded(bytes / ENTITIES / TILES) };
}

/** Two digits, which is more than another run gives again. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}

const [asked = ''] = process.argv.slice(2).filter((argument) => argument !== '--write');
const path = join(import.meta.dirname, 'aggregates.json');
const known = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, Figures>>;
const figures: Record<string, Figures> = {};
console.log(`${'aggregate'.padEnd(28)} ns an event   ns a read   bytes a tile`);
for (const one of AGGREGATE_CASES) {
  const [name] = one;
  const isAsked = name.includes(asked);
  const found = isAsked ? measured(one) : known[name];
  if (found === undefined) continue;
  figures[name] = found;
  if (!isAsked) continue;
  const { eventNs, readNs, tileBytes } = found;
  console.log(
    `${name.padEnd(28)} ${String(eventNs).padStart(11)} ${String(readNs).padStart(11)} ${String(tileBytes).padStart(14)}`,
  );
}
if (process.argv.includes('--write')) writeFileSync(path, `${JSON.stringify(figures, null, 2)}\n`);
