/** `client.variant` over the real services: announced over Kafka, the same for all clients, and what becomes of it while Postgres restarts. */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, expectTypeOf, inject, it, vi } from 'vitest';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { announceModel } from '../../engine/models/announce-model.ts';
import { ModelFollower } from '../../engine/models/model-follower.ts';
import { publishModel } from '../../engine/models/publish-model.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import type { Rollout } from '../../engine/postgres/rollouts.ts';
import type { HeldVariant } from '../../engine/rollouts/client-rollouts.ts';
import { HEARD_WITHIN_MS } from '../../engine/rollouts/choose-variant.ts';
import { RolloutFollower } from '../../engine/rollouts/rollout-follower.ts';
import { endRollout, moveRollout } from '../../engine/rollouts/steer-rollouts.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';
import { type ModelWorld, openModelWorld, TAGS, trainedOnTags } from '../models/model-world.ts';
import { oracleVariant } from './assignment-oracle.ts';
import { openIt, sharesOf } from './rollout-world.ts';

const { kafkaBrokers: brokers } = inject('stack');
const topic = `models-${randomUUID()}`;
// One of its own: it is stopped and started.
const services = { dataDir: temporaryDataDir(), onProgress: () => undefined };
let postgres: RunningPostgres;
let world: ModelWorld;
let admin: Admin;
let reader: LogReader;
let writer: LogWriter;
let aheadMs = 0;
const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
const clients: FeatureClient[] = [];
beforeAll(async () => {
  postgres = await startPostgres(services);
  world = await openModelWorld(postgres.url);
  admin = new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] });
  reader = createKafkaLogReader({ brokers, clientId: 'publisher' });
  writer = createKafkaLogWriter({ brokers, clientId: 'publisher' });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all([reader.close(), writer.close(), admin.disconnect()]);
  await world.close();
  await postgres.stop();
  await rm(services.dataDir, { recursive: true, force: true });
});

async function publish(model: string, ...biases: number[]): Promise<void> {
  for (const [index, bias] of biases.entries())
    await publishModel({
      pool: world.pool,
      reader,
      writer,
      topic,
      archiveDir: world.archiveDir,
      clock: systemClock,
      newId: randomUUID,
      model,
      file: await world.file(Buffer.from(JSON.stringify({ bias }))),
      service: 'delay_model',
      trainedOn: await trainedOnTags(world, TAGS),
      metrics: null,
      actor: 'ana',
      alias: index === 0 ? 'champion' : null,
    });
}
const announce = async (model: string): Promise<void> =>
  expect(await announceModel({ writer, topic, clock: systemClock, model })).toBeNull();

function opened(): FeatureClient {
  const client = createClient({ databaseUrl: world.database.url, models: { kafka: { brokers }, topic }, clock });
  clients.push(client);
  return client;
}

const decode = (bytes: Uint8Array): { bias: number } => JSON.parse(Buffer.from(bytes).toString()) as { bias: number };
const said = () => ({ pool: world.pool, actor: 'ana', why: 'no worse' });
const move = (row: Rollout, share: number): Promise<Rollout> => {
  const next = { stage: row.stage + 1, shadow: false, shares: sharesOf(share) };
  return moveRollout({ ...said(), id: row.id, expected: row.revision, next });
};

describe('client.variant', () => {
  it('is the same for two clients and for the oracle, for 10,000 units, after each move', async () => {
    await publish('late', 1, 2);
    let row = await openIt(world, 'late', { share: 0.1 });
    const [one, two] = [opened(), opened()];
    const late = await one.model('late', { decode, rollout: true });
    await two.model('late', { decode, rollout: true });
    expectTypeOf(late.variant('a')).toEqualTypeOf<HeldVariant<{ bias: number }>>();
    let had = 0;
    for (const share of [0.1, 0.5]) {
      if (share !== 0.1) row = await move(row, share);
      await announce('late');
      await vi.waitFor(
        () =>
          expect([one.variant('late', 'a').assigned?.revision, two.variant('late', 'a').assigned?.revision]).toEqual([
            row.revision,
            row.revision,
          ]),
        60_000,
      );
      let candidates = 0;
      for (let unit = 0; unit < 10_000; unit++) {
        const key = `customer-${unit}`;
        const { value, ...told } = late.variant(key);
        const variant = oracleVariant(row, key);
        if (variant === 'candidate') candidates++;
        expect(told.variant).toBe(variant);
        expect(value).toEqual({ bias: variant === 'candidate' ? 2 : 1 });
        expect(told.assigned?.assignmentPropensity).toBe(variant === 'candidate' ? share : 1 - share);
        expect(one.variant('late', key)).toEqual(told);
        expect(two.variant('late', key)).toEqual(told);
      }
      expect(candidates).toBeGreaterThan(had);
      had = candidates;
    }
    await endRollout({ ...said(), id: row.id, phase: 'stopped' });
    await late.look();
    expect(late.variant('a')).toEqual({
      variant: 'champion',
      version: 1,
      value: { bias: 1 },
      assigned: null,
      shadow: null,
      fellBack: null,
    });
  });

  it('hears of each move over Kafka, by announcements alone', async () => {
    await publish('heard', 1, 2);
    const never = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const own = createKafkaLogReader({ brokers, clientId: 'app' });
    let late: RolloutFollower<string> | null = null;
    const shared = { model: 'heard', pool: world.pool, clock: systemClock, untilNextLook: never };
    const champion = new ModelFollower<string>({
      ...shared,
      decode: (bytes) => Buffer.from(bytes).toString(),
      places: { reader: own, archiveDir: null },
      topic,
      onHeard: () => void late?.look(),
    });
    await champion.start();
    late = new RolloutFollower<string>({ ...shared, champion });
    await late.start();
    let row = await openIt(world, 'heard', { share: 0 });
    for (const share of [0.25, 0.5, 1]) {
      row = await move(row, share);
      await announce('heard');
      const { revision } = row;
      await vi.waitFor(() => expect(late.choose('a').assigned?.revision).toBe(revision), 60_000);
    }
    await endRollout({ ...said(), id: row.id, phase: 'returned' });
    await announce('heard');
    await vi.waitFor(() => expect(late.choose('a').variant).toBe('champion'), 60_000);
    await late.close();
    await champion.close();
    await own.close();
  });

  it('goes on while Postgres restarts, falls back once it was away for 30 s, and goes on again', async () => {
    await publish('away', 1, 2);
    await openIt(world, 'away', { share: 1, leaseMs: 3_600_000 });
    const late = await opened().model('away', { decode, rollout: true });
    expect(late.variant('a')).toMatchObject({ variant: 'candidate', version: 2, value: { bias: 2 } });
    await postgres.stop();
    await late.look();
    expect(late.rollout.unreachable).toMatchObject({ code: 'service-unreachable' });
    expect(late.variant('a')).toMatchObject({ variant: 'candidate', fellBack: null });
    aheadMs += HEARD_WITHIN_MS + 1;
    expect(late.variant('a')).toMatchObject({
      variant: 'against',
      version: 1,
      value: { bias: 1 },
      assigned: null,
      fellBack: 'silent',
    });
    expect(late.rollout.fallbacks.silent).toBe(1);
    postgres = await startPostgres(services);
    await vi.waitFor(async () => {
      await late.look();
      expect(late.rollout.unreachable).toBeNull();
    }, 60_000);
    expect(late.variant('a')).toMatchObject({ variant: 'candidate', fellBack: null });
  });

  it('is refused where no rollout is held: of a model by itself, of another, once it is closed', async () => {
    await publish('plain', 1, 2);
    const client = opened();
    await client.model('plain', { decode });
    expect(() => client.variant('plain', 'a')).toThrow(expect.objectContaining({ code: 'rollout-not-held' }));
    const held = await client.model('plain', { decode, rollout: true });
    expect(client.variant('plain', 'a')).toMatchObject({ variant: 'champion', version: 1 });
    expect(() => client.variant('other', 'a')).toThrow(expect.objectContaining({ code: 'rollout-not-held' }));
    await held.close();
    expect(() => client.variant('plain', 'a')).toThrow(expect.objectContaining({ code: 'rollout-not-held' }));
    clients.splice(clients.indexOf(client), 1);
    await client.close();
    await expect(client.model('plain', { decode, rollout: true })).rejects.toMatchObject({ code: 'model-closed' });
  });
});
