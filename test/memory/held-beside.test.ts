import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { EVENT_BYTES, HeldEvents } from '../../engine/parity/held-events.ts';
import { ServedSample } from '../../engine/parity/served-sample.ts';
import type { ViewVersion } from '../../engine/postgres/view-versions.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import type { ServedRead } from '../../engine/served/served-read.ts';
import { spendingView } from '../stream/stream-view.ts';

const MB = 2 ** 20;
const view = spendingView({ topic: 'purchases' });

function read(customer: number, valuesJson = '{}'): ServedRead {
  return {
    readId: randomUUID(),
    requestId: randomUUID(),
    service: null,
    view: view.name,
    role: null,
    version: 1,
    fingerprint: view.fingerprint,
    entityJson: JSON.stringify({ customer: `c${customer}` }),
    servedAtUs: 1,
    asOfUs: 1,
    found: true,
    ahead: false,
    seq: 1,
    commitId: null,
    valuesJson,
    errorsJson: null,
    requestJson: null,
    typesJson: null,
    features: [],
  };
}

function sample(maxBytes: number, entityBytes = 0): ServedSample {
  const { layout, fingerprint } = view;
  const version: Partial<ViewVersion> = { version: 1, fingerprint, semantics: ENGINE_SEMANTICS };
  return new ServedSample({
    layouts: new Map([[fingerprint, layout]]),
    versions: [version as ViewVersion],
    maxReads: 100_000,
    maxBytes,
    entityBytes,
  });
}

describe("an audit's sample of reads", () => {
  it('takes no more of the heap than it may, and is the same one in any order', () => {
    const reads = Array.from({ length: 4_000 }, (_, index) => read(index % 1_000, JSON.stringify('v'.repeat(500))));
    const taken = (order: readonly ServedRead[]): Set<string> => {
      const held = sample(MB);
      for (const each of order) {
        held.add(each);
        expect(held.bytes).toBeLessThanOrEqual(MB);
      }
      return new Set(held.byVersion().get(1)!.keys());
    };
    const entities = taken(reads);
    expect(entities.size).toBeGreaterThan(50);
    expect(entities.size).toBeLessThan(500);
    const others = taken(reads.toReversed());
    // Hashes below a bound: one holds the other.
    const [fewer, more] = entities.size < others.size ? [entities, others] : [others, entities];
    expect([...fewer].filter((key) => !more.has(key))).toEqual([]);
  });

  it('counts the states of its entities, and holds one of them at least', () => {
    const few = sample(MB, 100_000);
    for (let index = 0; index < 100; index++) few.add(read(index));
    expect(few.byVersion().get(1)!.size).toBeLessThanOrEqual(10);
    const one = sample(MB, 2 * MB);
    for (let index = 0; index < 40; index++) one.add(read(7));
    expect(
      one
        .byVersion()
        .get(1)!
        .get([...one.byVersion().get(1)!.keys()][0]!)!.reads,
    ).toHaveLength(1);
    expect(one.skipped['beyond-the-sample']).toBe(39);
  });
});

describe('the events of one entity', () => {
  it('are held as far as memory goes, and what is too much is said by name', async () => {
    const memory = new MemoryBudget({ ...memoryShares(2048), limits: { heap: 3 * MB, buffers: 0 } });
    const reserved = await memory.reserve({}, 'explaining view "spending"');
    const held = new HeldEvents(reserved);
    let events = 0;
    const counts = (): void => {
      for (; events < 100_000; events++) held.count({ id: 'i'.repeat(50), inputs: ['x'.repeat(100), 1] });
    };
    expect(counts).toThrow(
      expect.objectContaining({ code: 'memory-limit-too-small', remedy: 'Raise MILLRACE_MEMORY_MB.' }),
    );
    expect(events).toBe(Math.floor((3 * MB) / (EVENT_BYTES + 300)));
    expect(memory.used.heap).toBeLessThanOrEqual(3 * MB);
    reserved.release();
    expect(memory.usedBytes).toBe(0);
  });
});
