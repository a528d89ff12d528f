import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { fencePairs } from '../../engine/pairs/fence-pairs.ts';
import type { PairsProgress, RunPairsOptions } from '../../engine/pairs/pairs-options.ts';
import { pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { countDeadLetters, deadLetters } from '../../engine/postgres/dead-letters.ts';
import { writeToOutbox } from '../../engine/postgres/outbox.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import type { LoggedEvent } from '../oracle/pairs-oracle.ts';
import { unreachable } from '../../engine/kafka/kafka-failure.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { HORIZON_US, openPairsWorld, pairRule, type PairsWorld, START_US } from './pairs-world.ts';

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
});
afterAll(() => database.close());

const away = unreachable(['memory'], 'a topic', 'away');

let worlds = 0;

function open(partitions = { decisions: 1, outcomes: 1 }): PairsWorld {
  return openPairsWorld(pool, pairRule(`set_${++worlds}`), partitions);
}

const event = (id: string, seconds: number, key: string | null = 'a'): LoggedEvent => ({
  id,
  timeUs: START_US + seconds * 1_000_000,
  key,
});

const figures = async ({ rule, topic }: PairsWorld) => (await pairsStatus(pool, rule.name, topic)).figures;

const texts = (world: PairsWorld): string[] => world.pairs().map(({ text }) => text.replaceAll(/@\d+/g, ''));

describe('the pairs of a label set', { timeout: 60_000 }, () => {
  it('are of outcomes up to the horizon after the decision, both ends included', async () => {
    const world = open();
    const horizonS = HORIZON_US / 1_000_000;
    world.append('decisions', 0, [event('d', 0)]);
    world.append('outcomes', 0, [
      event('before', -0.000_001),
      event('at', 0),
      event('edge', horizonS),
      event('beyond', horizonS + 0.000_001),
      event('other', 1, 'b'),
      event('none', 1, null),
    ]);
    await world.run(1);
    expect(texts(world)).toEqual(['d at', 'd edge']);
    expect(await figures(world)).toMatchObject({ pairs: 2, nullKey: { decisions: 0, outcomes: 1 }, outbox: 0 });
  });

  it('wait for a decision that comes after its outcome, and are given up where none can come any more', async () => {
    const world = open();
    world.append('outcomes', 0, [event('o1', 1), event('o2', 2, 'b')]);
    await world.run(1);
    expect(await figures(world)).toMatchObject({ pairs: 0, held: { decisions: 0, outcomes: 2 } });
    world.append('decisions', 0, [event('d1', 0)]);
    await world.run(2);
    expect(texts(world)).toEqual(['d1 o1']);
    // From here on what would pair with them is late.
    world.append('decisions', 0, [event('d2', 12.1, 'x')]);
    await world.run(3);
    expect(await figures(world)).toMatchObject({
      pairs: 1,
      held: { decisions: 2, outcomes: 0 },
      unpaired: { decisions: 0, outcomes: 1 },
    });
    world.append('decisions', 0, [event('d3', 1.9, 'b')]);
    world.append('outcomes', 0, [event('o3', 60, 'y')]);
    await world.run(4);
    expect(await figures(world)).toMatchObject({
      pairs: 1,
      late: { decisions: 1, outcomes: 0 },
      held: { decisions: 0, outcomes: 1 },
      unpaired: { decisions: 1, outcomes: 1 },
    });
  });

  it('hold everything while a partition of the other side has no record', async () => {
    const world = open({ decisions: 1, outcomes: 2 });
    world.append('decisions', 0, [event('d', 0)]);
    world.append('outcomes', 0, [event('o', 9_000, 'b')]);
    await world.run(1);
    expect(await figures(world)).toMatchObject({ held: { decisions: 1, outcomes: 1 } });
    world.append('outcomes', 1, [event('p', 1)]);
    await world.run(2);
    expect(texts(world)).toEqual(['d p']);
  });

  it('make dead letters of broken records and of those on which a key fails, and stop where there are too many', async () => {
    const world = open();
    world.append('decisions', 0, [event('d', 0), null, event('e', 1, 'boom')]);
    world.append('outcomes', 0, [event('o', 1)]);
    await world.run(1);
    expect(texts(world)).toEqual(['d o']);
    const letters = await deadLetters(pool, `pairs:${world.rule.name}`, 10);
    expect(letters.map(({ offset, reasons }) => [offset, reasons[0]])).toEqual([
      [2, 'on: the function threw Error: boom'],
      [1, expect.stringContaining('expected JSON')],
    ]);
    const strict = { ...world.rule.decisions, invalidLimit: { rate: 0.1, window: 20 } };
    world.append('decisions', 0, [null, null, null]);
    const limited = { ...world.rule, decisions: strict };
    await expect(world.run(2, { rule: limited })).rejects.toMatchObject({ code: 'too-many-invalid-records' });
  });

  it('are dead letters where they are too large for a record', async () => {
    const world = open();
    const large = 'x'.repeat(500_000);
    const record = (id: string, key: string) => ({
      value: Buffer.from(JSON.stringify({ id, at: '2023-11-14T22:13:20.000000Z', key, large })),
      timestampUs: START_US,
    });
    world.broker.append(world.rule.decisions.topic!, 0, [record('d', 'a'), record('e', 'b')]);
    world.broker.append(world.rule.outcomes.topic!, 0, [record('o', 'a')]);
    world.append('outcomes', 0, [event('p', 1, 'b')]);
    await world.run(1);
    expect(texts(world)).toEqual(['e p']);
    expect(await figures(world)).toMatchObject({ pairs: 1, tooLarge: 1 });
    const [letter] = await deadLetters(pool, `pairs:${world.rule.name}`, 1);
    expect(letter!.reasons[0]).toMatch(
      /^a pair of label set ".*" with this record is too large: expected at most 900000 bytes/,
    );
  });

  it('keep so many dead letters, the newest', async () => {
    const world = open();
    world.append('decisions', 0, [null, null, null, null, null]);
    await world.run(1, { limits: { batchRecords: 1, batchMs: 0, sweepEveryMs: 0, deadLetters: 2 } });
    world.append('decisions', 0, [event('d', 0)]);
    await world.run(2, { limits: { batchRecords: 1, batchMs: 0, sweepEveryMs: 0, deadLetters: 2 } });
    expect(await deadLetters(pool, `pairs:${world.rule.name}`, 10)).toHaveLength(2);
    expect(await figures(world)).toMatchObject({ invalid: { decisions: 5 } });
  });

  it("are one joiner's: a fence shuts it out, and a newer one goes on where it stopped", async () => {
    const world = open();
    world.append('decisions', 0, [event('d', 0)]);
    let fenced = false;
    const old = world.run(1, {
      failAt: async (point) => {
        if (point !== 'after-fetch' || fenced) return;
        fenced = true;
        await fencePairs({ pool, labelSet: world.rule.name, topic: world.topic, generation: 2 });
      },
    });
    expect((await old).ended).toBe('superseded');
    expect(fenced).toBe(true);
    expect((await world.run(99)).ended).toBe('superseded');
    expect(await figures(world)).toMatchObject({ held: { decisions: 0 } });
    world.append('outcomes', 0, [event('o', 1)]);
    expect((await world.run(1, { fence: { generation: 3, attemptMs: 1, owner: 'new' } })).ended).toBe('present-end');
    expect(texts(world)).toEqual(['d o']);
  });

  it('are refused where what decides them has changed', async () => {
    const world = open();
    await world.run(1);
    await expect(world.run(2, { rule: { ...world.rule, horizonUs: 1 } })).rejects.toMatchObject({
      code: 'pairs-changed',
    });
    await expect(world.run(3, { rule: { ...world.rule, tag: 'tag-2' } })).rejects.toMatchObject({
      code: 'pairs-changed',
    });
    // Joined by the decision's id no code of the user's decides anything.
    const byDecision = { ...pairRule(`set_${++worlds}`), isByDecision: true };
    const other = openPairsWorld(pool, byDecision, { decisions: 1, outcomes: 1 });
    await other.run(1);
    expect((await other.run(2, { rule: { ...byDecision, tag: 'tag-2' } })).ended).toBe('present-end');
  });

  it('wait, and say so, while the outbox is full or too much is held', async () => {
    const world = open();
    const filler = { key: null, id: 'x', value: Buffer.from('{}'), timestampMs: 1 };
    await withTransaction(pool, (client) => writeToOutbox(client, world.topic, [filler]));
    world.append('decisions', 0, [event('d', 0)]);
    let attempts = 0;
    const told = async (code: string, more: Partial<RunPairsOptions>): Promise<string> => {
      const stop = new AbortController();
      let message = '';
      const onProgress = ({ waiting }: PairsProgress): void => {
        if (waiting?.code !== code) return;
        ({ message } = waiting);
        stop.abort();
      };
      const limits = { progressEveryMs: 5, tellWaitAfterMs: 0, ...more.limits };
      const { ended } = await world.run(++attempts, {
        until: 'forever',
        signal: stop.signal,
        onProgress,
        ...more,
        limits,
      });
      expect(ended).toBe('aborted');
      return message;
    };
    // The sender has no turn: its topic refuses.
    const writer = { send: async () => await Promise.reject(away), close: async () => {} };
    expect(await told('outbox-full', { writer, limits: { outbox: { rows: 1, bytes: 1e9 } } })).toContain(
      'wait to be sent to topic',
    );
    expect(await told('pairs-held-full', { limits: { heldBytes: 0 } })).toContain('0 bytes of decisions are held');
    // Its caller is told that it waits, and that it does no more.
    const waiting = { code: 'pairs-held-full', message: 'held', sinceMs: 0 };
    expect((await world.run(++attempts, { until: 'forever', waiting, limits: { tellWaitAfterMs: 0 } })).ended).toBe(
      'deadline',
    );
    expect((await world.run(++attempts)).ended).toBe('present-end');
  });

  it('read partitions that a topic gains, and refuse one whose head is gone', async () => {
    const world = open();
    world.append('decisions', 0, [event('d', 0)]);
    await world.run(1);
    world.broker.addPartition(world.rule.outcomes.topic!);
    world.append('outcomes', 1, [event('o', 1)]);
    await world.run(2);
    expect(texts(world)).toEqual(['d o']);
    world.append('decisions', 0, [event('e', 2), event('f', 3)]);
    world.broker.deleteBefore(world.rule.decisions.topic!, 0, 2);
    await expect(world.run(3)).rejects.toMatchObject({ code: 'offsets-gone' });
  });

  it('end where the topic of pairs is not there', async () => {
    const world = open();
    world.append('decisions', 0, [event('d', 0)]);
    const gone = openPairsWorld(pool, pairRule(`set_${++worlds}`), { decisions: 1, outcomes: 1 });
    await expect(gone.run(1, { topic: 'no.such.topic' })).rejects.toMatchObject({ code: 'topic-not-found' });
  });

  it('count dead letters once, whatever is done again', async () => {
    const world = open();
    world.append('decisions', 0, [null]);
    const crash = new Error('crash');
    const dies = world.run(1, { failAt: (point) => (point === 'after-commit' ? Promise.reject(crash) : undefined) });
    await expect(dies).rejects.toBe(crash);
    await world.run(2);
    expect(await countDeadLetters(pool, `pairs:${world.rule.name}`, 1)).toBe(1);
  });
});
