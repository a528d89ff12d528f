import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { LifecycleTeller } from '../../activities/tell-lifecycles.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';

const TOPIC = 'purchases';
const EVERY_MS = 1_000;
const MINUTE_MS = 60_000;
const view = spendingView({ topic: TOPIC });
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let broker: MemoryBroker;
let version: number;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

async function setSemantics(semantics: number): Promise<void> {
  await database.pool.query(`UPDATE millrace_catalog.view_version SET semantics = $1 WHERE view = $2`, [
    semantics,
    view.name,
  ]);
}

/** Of the release before, and noted long enough ago. */
beforeEach(async () => {
  await database.pool.query('DELETE FROM millrace_catalog.view_version');
  await database.pool.query(`DROP TABLE IF EXISTS millrace_state.${view.name}_v1`);
  broker = new MemoryBroker();
  broker.createTopic(TOPIC, 2);
  version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
  await database.pool.query(`UPDATE millrace_catalog.view_version SET status = 'live'`);
  await database.pool.query(`UPDATE millrace_catalog.stream_offset SET updated_at = now() - interval '1 hour'`);
  await setSemantics(ENGINE_SEMANTICS - 1);
});

/** A teller to lifecycles that are a test's. */
function teller(views: readonly string[] = [view.name]) {
  const told: { readonly view: string; readonly lag: number | null }[] = [];
  const errors: unknown[] = [];
  const world = { phase: 'streaming' as string | null, nowMs: 0, isBrokerAway: false };
  const reader = createMemoryLogReader(broker);
  const instance = new LifecycleTeller({
    pool: database.pool,
    reader: {
      bounds: async (topic) => {
        if (world.isBrokerAway) throw new MillraceError('service-unreachable', 'away', { remedy: '' });
        return await reader.bounds(topic);
      },
    },
    views: new Set(views),
    clock: { nowUs: () => 0, monotonicMs: () => world.nowMs },
    lifecycles: {
      phaseOf: async () => world.phase,
      tell: async (name, { semantics, lag }) => {
        expect(semantics).toBe(ENGINE_SEMANTICS);
        told.push({ view: name, lag });
      },
    },
    everyMs: EVERY_MS,
    onError: (error) => errors.push(error),
  });
  return { look: () => instance.look(), told, errors, world };
}

const record = { value: Buffer.from('{}') };

describe('lifecycles of versions of earlier semantics', () => {
  it('are told until they have heard, and from then on how far behind they are', async () => {
    const { look, told, world } = teller();
    broker.append(TOPIC, 0, [record, record]);
    await look();
    await look();
    expect(told).toEqual([
      { view: view.name, lag: 2 },
      { view: view.name, lag: 2 },
    ]);
    world.phase = 'upgrading';
    await look();
    expect(told).toHaveLength(2);
    broker.append(TOPIC, 1, [record]);
    // Somebody noted the ends just now: it is theirs to tell.
    await look();
    expect(told).toHaveLength(2);
    await database.pool.query(`UPDATE millrace_catalog.stream_offset SET updated_at = now() - interval '1 hour'`);
    await look();
    expect(told.slice(2)).toEqual([{ view: view.name, lag: 3 }]);
    const offsets = await streamOffsets(database.pool, view.name, version);
    expect(offsets.map(({ nextOffset, endOffset }) => [nextOffset, endOffset])).toEqual([
      [0, 2],
      [0, 1],
    ]);
  });

  it('that rest are told less and less often', async () => {
    const { look, told, world } = teller();
    for (const phase of ['paused', 'failed']) {
      world.phase = phase;
      const before = told.length;
      for (const end = world.nowMs + 60 * MINUTE_MS; world.nowMs < end; world.nowMs += EVERY_MS) await look();
      expect(told.length - before).toBeGreaterThan(5);
      expect(told.length - before).toBeLessThan(20);
    }
    // Resumed, one may not have heard.
    world.phase = 'streaming';
    const before = told.length;
    await look();
    expect(told).toHaveLength(before + 1);
  }, 240_000);

  it('are left alone where there is nothing to upgrade, or nothing to build it with', async () => {
    const others = teller(['another_view']);
    await others.look();
    expect(others.told).toEqual([]);
    await setSemantics(ENGINE_SEMANTICS);
    const { look, told } = teller();
    await look();
    expect(told).toEqual([]);
  });

  it('are told although the broker is away, and though one view is in trouble', async () => {
    const { look, told, errors, world } = teller();
    world.isBrokerAway = true;
    await look();
    expect(told).toEqual([{ view: view.name, lag: null }]);
    expect(errors).toMatchObject([{ code: 'service-unreachable' }]);
  });
});
