/** A watch that cannot see what is decided: it says so, and nobody takes the rollout for watched. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { compileSource } from '../../engine/define/compile-source.ts';
import { rolloutById } from '../../engine/postgres/rollouts.ts';
import type { RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import { type WatchOptions, watchRollout } from '../../engine/rollouts/watch-rollout.ts';
import type { LogBatch, ReadOptions } from '../../engine/topic/log-reader.ts';
import { offsetOutOfRange } from '../../engine/topic/topic-errors.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { decisions } from '../../index.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { openIt, publishVersions } from './rollout-world.ts';

const TIMEOUT_MS = 120_000;
const RULE: RolloutRule = {
  metric: { measure: 'log-loss', better: 'lower' },
  stages: [{ share: 0.5, minUnits: 100, minTimeMs: 0, smallestEffect: null, approve: false }],
  guardrails: [],
  segments: [],
  observeUs: 0,
  alpha: 0.05,
  mode: 'stages',
  floor: 0.05,
};
const { source } = compileSource(
  decisions('choices', { context: z.object({ origin: z.string() }), topic: 'choices' }),
  '/',
  (_code, path, message) => {
    throw new Error(`${path}: ${message}`);
  },
);

/** As brokers do, it gives nothing from where it does not reach. */
class BrokerLog extends MemoryLog {
  isGone = false;

  override async *read(options: ReadOptions): AsyncGenerator<LogBatch> {
    const at = options.positions.get(0)!;
    if (this.isGone || at > this.end) throw offsetOutOfRange(options.topic, 0, at, { low: this.low, end: this.end });
    yield* super.read(options);
  }
}

let world: ModelWorld;
let models = 0;
let model = '';
let log = new BrokerLog();
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
}, TIMEOUT_MS);
afterAll(() => world.close());
beforeEach(async () => {
  model = `watched_${++models}`;
  await publishVersions(world, new MemoryLog(), model);
  log = new BrokerLog();
});

const watch = (rollout: string, of: Partial<WatchOptions> = {}) =>
  watchRollout({
    pool: world.pool,
    reader: log,
    decisions: source,
    topic: 'choices',
    rollout,
    candidate: 2,
    rule: RULE,
    positions: new Map([[0, 0]]),
    clock: systemClock,
    budgetMs: 600_000,
    signal: AbortSignal.timeout(TIMEOUT_MS / 2),
    announce: async () => undefined,
    ...of,
  });

describe('a watch', { timeout: TIMEOUT_MS }, () => {
  it('renews no lease of what it cannot read', async () => {
    const { id, leaseUntilUs } = await openIt(world, model, { leaseMs: 1_000 });
    log.onBounds = () => null;
    await expect(watch(id)).rejects.toThrow('no network');
    expect((await rolloutById(world.pool, id))!.leaseUntilUs).toBe(leaseUntilUs);
    log.onBounds = null;
    const done = new AbortController();
    const looked = (): void => done.abort();
    expect(await watch(id, { signal: done.signal, onProgress: looked })).toEqual({ ended: 'aborted' });
    expect((await rolloutById(world.pool, id))!.leaseUntilUs).toBeGreaterThan(leaseUntilUs);
  });

  it('reads a topic that was made again from its beginning', async () => {
    const { id } = await openIt(world, model);
    log.put(Buffer.from('no decision'));
    const seen = new AbortController();
    const ended = await watch(id, {
      positions: new Map([[0, 7]]),
      signal: AbortSignal.any([seen.signal, AbortSignal.timeout(TIMEOUT_MS / 2)]),
      onProgress: ({ invalid }) => {
        if (invalid === 1) seen.abort();
      },
    });
    expect(ended).toEqual({ ended: 'aborted' });
    expect(seen.signal.aborted).toBe(true);
  });

  it('fails where what it is to read is gone and nothing is to be passed', async () => {
    const { id } = await openIt(world, model);
    log.isGone = true;
    await expect(watch(id)).rejects.toMatchObject({ code: 'offset-out-of-range' });
  });
});
