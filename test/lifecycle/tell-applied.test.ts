import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { AppliedTeller } from '../../activities/tell-applied.ts';
import { lifecyclesOver } from '../../activities/tell-lifecycles.ts';
import { sendCommand } from '../../cli/lifecycle-client.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { desiredViews, lockDesired, moveDesired } from '../../engine/postgres/desired-views.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import type { Applied } from '../../workflows/feature-lifecycle/contract.ts';
import { MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { TwoDefinitions } from './two-definitions.ts';

const SECOND_US = 1_000_000;
const view = spendingView({ topic: 'purchases' });
const other = 'f'.repeat(64);

type Pool = Awaited<ReturnType<typeof openStreamDatabase>>['pool'];

const apply = (pool: Pool, moves: Parameters<typeof moveDesired>[1]): Promise<number> =>
  withTransaction(pool, async (client) => {
    await lockDesired(client);
    return await moveDesired(client, moves, { actor: 'ana', message: null });
  });

describe('what was applied and nobody told', () => {
  let database: Awaited<ReturnType<typeof openStreamDatabase>>;
  beforeEach(async () => {
    database = await openStreamDatabase(inject('stack').databaseUrl);
  });
  afterEach(() => database.close());

  /** A teller whose clock is so many seconds after the last apply. */
  function tellerAt() {
    const told: (Applied & { readonly view: string })[] = [];
    const errors: unknown[] = [];
    const world = { nowUs: 0, away: new Set<string>() };
    const teller = new AppliedTeller({
      pool: database.pool,
      clock: { nowUs: () => world.nowUs, monotonicMs: () => 0 },
      tell: async (name, applied) => {
        if (world.away.has(name)) throw new Error('away');
        told.push({ view: name, ...applied });
      },
      onError: (error) => errors.push(error),
    });
    const lookAfter = async (seconds: number): Promise<void> => {
      const newest = Math.max(...(await desiredViews(database.pool)).map(({ atUs }) => atUs));
      world.nowUs = newest + seconds * SECOND_US;
      await teller.look();
    };
    return { lookAfter, told, errors, away: world.away };
  }

  it('is told after a while, once per apply', async () => {
    const { lookAfter, told } = tellerAt();
    await apply(database.pool, [
      { view: 'clicks', fingerprint: other },
      { view: view.name, fingerprint: other },
    ]);
    await lookAfter(119);
    expect(told).toEqual([]);
    await lookAfter(120);
    await lookAfter(500);
    const first = { applyNumber: 1, fingerprint: other };
    expect(told).toEqual([
      { view: 'clicks', ...first },
      { view: view.name, ...first },
    ]);
    await apply(database.pool, [{ view: view.name, fingerprint: 'e'.repeat(64) }]);
    await lookAfter(500);
    expect(told.slice(2)).toEqual([{ view: view.name, applyNumber: 2, fingerprint: 'e'.repeat(64) }]);
  });

  it('is not told where it is what is served', async () => {
    const broker = new MemoryBroker();
    broker.createTopic('purchases', 1);
    await publishEmptyVersion(database.pool, view, broker.bounds('purchases'));
    await apply(database.pool, [{ view: view.name, fingerprint: view.fingerprint }]);
    const { lookAfter, told } = tellerAt();
    await lookAfter(500);
    expect(told).toEqual([]);
  });

  it('is told again where that failed, and one that fails does not keep it from the others', async () => {
    const { lookAfter, told, errors, away } = tellerAt();
    await apply(database.pool, [
      { view: 'clicks', fingerprint: other },
      { view: view.name, fingerprint: other },
    ]);
    away.add('clicks');
    await lookAfter(500);
    expect(told.map((one) => one.view)).toEqual([view.name]);
    expect(errors).toEqual([new Error('away')]);
    away.clear();
    await lookAfter(500);
    expect(told.map((one) => one.view)).toEqual([view.name, 'clicks']);
  });
});

it('is built aside by a lifecycle that only a worker told; one that does not run is passed over', {
  timeout: 240_000,
}, async () => {
  const two = await TwoDefinitions.open(inject('stack'), ", n_6h: f.count().over('6h', { hop: '1h' })");
  try {
    const { pool, view: name } = two.world;
    await two.stream({ sliceSeconds: 5 });
    const fingerprint = two.desireSecond();
    await apply(pool, [
      { view: 'nobody_runs_it', fingerprint },
      { view: name, fingerprint },
    ]);
    const lifecycles = lifecyclesOver(two.harness.client, installationNames());
    const errors: unknown[] = [];
    const teller = new AppliedTeller({
      pool,
      clock: { nowUs: () => Number.MAX_SAFE_INTEGER, monotonicMs: () => 0 },
      tell: (of, applied) => lifecycles.tellApplied(of, applied),
      onError: (error) => errors.push(error),
    });
    await teller.look();
    expect(errors).toEqual([]);
    const waiting = await two.harness.until(two.lifecycle, ({ candidate }) => candidate?.isCaughtUp === true);
    expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint } });
    await sendCommand(two.harness.client, name, 'retire');
    await two.lifecycle.result();
  } finally {
    await two.close();
  }
});
