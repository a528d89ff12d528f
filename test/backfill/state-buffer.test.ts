import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StateBuffer } from '../../engine/backfill/state-buffer.ts';
import { LEAST_BACKFILL_MEMORY, StateMemory } from '../../engine/backfill/state-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { type MemoryAmount, memoryShares } from '../../engine/memory/memory-shares.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { slotInputs } from '../../engine/define/slot-inputs.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { lawRuns } from '../laws/law-seed.ts';

const layout: ViewLayout = {
  semantics: ENGINE_SEMANTICS,
  view: 'v',
  entity: 'e',
  keys: [
    { name: 'text', type: { kind: 'string' } },
    { name: 'big', type: { kind: 'int64' } },
    { name: 'yes', type: { kind: 'boolean' } },
  ],
  tieBreak: 'offset',
  groups: [
    { hopUs: 10, spanUs: 100 },
    { hopUs: null, spanUs: null },
  ],
  slots: [
    { partial: 'count', input: null, group: 0 },
    { partial: 'sum', input: { kind: 'double' }, group: 0 },
    { partial: 'last', input: { kind: 'string' }, group: 1 },
  ],
  features: [],
};

/** Without the lifetime group, where events can be late; with ties broken by id; with inputs of other kinds. */
const layouts: readonly ViewLayout[] = [
  layout,
  { ...layout, groups: layout.groups.slice(0, 1), slots: layout.slots.slice(0, 2) },
  { ...layout, tieBreak: 'id' },
  {
    ...layout,
    groups: [
      { hopUs: 10, spanUs: 50 },
      { hopUs: 60, spanUs: 120 },
    ],
    slots: [
      { partial: 'max', input: { kind: 'boolean' }, group: 0 },
      { partial: 'first', input: { kind: 'double' }, group: 1 },
      { partial: 'min', input: { kind: 'int64' }, group: 1 },
    ],
  },
  {
    ...layout,
    tieBreak: 'id',
    slots: [
      { partial: 'maxBy', input: { kind: 'int64' }, order: { kind: 'boolean' }, group: 0 },
      { partial: 'minBy', input: { kind: 'double' }, order: { kind: 'string' }, group: 0 },
      { partial: 'last', input: { kind: 'string' }, group: 1 },
    ],
  },
];

let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-states-'));
  duckdb = await openDuckDb({ memoryMb: 128, tempDir: folder });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

function memory(most: Partial<MemoryAmount>): StateMemory {
  const held = new MemoryBudget(memoryShares(2048)).tryReserve(LEAST_BACKFILL_MEMORY, 'backfill');
  return new StateMemory(held!, most);
}

const keys: readonly ScalarValue[][] = [
  ['a', 1n, true],
  ['a', 1n, false],
  ['a', -(2n ** 63n), true],
  ['"[é\u{1F600},', 9_007_199_254_740_993n, true],
  ['', 0n, false],
];

const ids = ['a', 'b', '', 'x'.repeat(39), 'x'.repeat(40), `${'x'.repeat(38)}é`, 'é', '\u{1F600}', 'ÿ', '\u007f'];

function inputOf(type: ScalarType | null, value: number | null): ScalarValue {
  if (type === null) return true;
  if (value === null) return null;
  if (type.kind === 'double') return value;
  return type.kind === 'boolean' ? value > 0 : type.kind === 'int64' ? BigInt(Math.trunc(value % 1e15)) : `v${value}`;
}

function event(
  used: ViewLayout,
  step: { key: number; time: number; value: number | null },
  offset: number,
): PreparedEvent {
  const key = keys[step.key]!;
  const inputs = slotInputs(used.slots).map(({ type }) => inputOf(type, step.value));
  const id = used.tieBreak === 'id' ? ids[(offset * 7) % ids.length]! : null;
  return { keyText: key.join('\0'), key, eventTimeUs: step.time, id, partition: offset % 3, offset, inputs };
}

it('gives the states of all events, byte for byte the same however often and wherever they were spilled', async () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: keys.length - 1 }),
    time: fc.integer({ min: -300, max: 300 }),
    value: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), { nil: null }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...layouts),
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      async (used, steps, every) => {
        const reducer = createViewReducer(used);
        const direct = new Map<string, ReturnType<typeof reducer.empty>>();
        const inMemory = new StateBuffer(reducer, duckdb, memory({}));
        const spilling = new StateBuffer(reducer, duckdb, memory({ heap: 0 }), 1);
        let late = 0;
        for (const [offset, one] of steps.entries()) {
          const prepared = event(used, one, offset);
          const state = direct.get(prepared.keyText) ?? reducer.empty();
          direct.set(prepared.keyText, state);
          if (!reducer.apply(state, prepared)) late++;
          inMemory.add(prepared);
          spilling.add(prepared);
          if (offset % every === every - 1) await spilling.endBatch();
        }
        const rowsOf = async (buffer: StateBuffer): Promise<string[]> => {
          const rows: string[] = [];
          for await (const { key, state } of buffer.rows())
            rows.push(`${key.join('\0')} ${Buffer.from(state).toString('hex')}`);
          return rows.toSorted();
        };
        const expected = [...direct].map(
          ([key, state]) => `${key} ${Buffer.from(reducer.encode(state)).toString('hex')}`,
        );
        expect(await rowsOf(inMemory)).toEqual(expected.toSorted());
        expect(await rowsOf(spilling)).toEqual(expected.toSorted());
        expect(inMemory.spills).toBe(0);
        expect(inMemory.counts).toMatchObject({ applied: steps.length - late, late });
        if (steps.length >= every) expect(spilling.spills).toBeGreaterThan(0);
      },
    ),
    lawRuns(120),
  );
});

it('keeps within its budget: a tenth of the memory needs several spills', async () => {
  const reducer = createViewReducer(layout);
  // An empty one's, and some 2 MB for keys; the states are in their thread, by blocks of 512 events.
  const { heap } = new StateBuffer(reducer, duckdb, memory({}), 1).needed;
  const buffer = new StateBuffer(reducer, duckdb, memory({ heap: heap + 2_000_000 }), 1);
  let most = 0;
  for (let n = 0; n < 60_000; n++) {
    const key = [`entity-${n % 20_000}`, BigInt(n % 20_000), true];
    buffer.add({ keyText: '', key, eventTimeUs: n, id: null, partition: -1, offset: n, inputs: [true, n, 'x'] });
    if (n % 500 === 499) {
      most = Math.max(most, buffer.heldEntities);
      await buffer.endBatch();
    }
  }
  expect(buffer.spills).toBeGreaterThan(5);
  expect(most).toBeLessThan(4000);
  let rows = 0;
  for await (const _ of buffer.rows()) rows++;
  expect(rows).toBe(20_000);
  await buffer.close();
});
