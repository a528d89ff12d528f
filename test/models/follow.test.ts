/** What an application holds of a model: whole, of one version, trained on what is served; and the one before where the next is not so. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { RefusedModel } from '../../engine/models/loaded-model.ts';
import { type FollowerOptions, ModelFollower } from '../../engine/models/model-follower.ts';
import { CHUNK_BYTES, decodeModelRecord } from '../../engine/models/model-record.ts';
import type { TrainedOn } from '../../engine/models/read-manifest.ts';
import { pointAlias, rollbackModel } from '../../engine/models/steer-models.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { noteServices } from '../../engine/postgres/service-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { MemoryLog } from './memory-log.ts';
import { type ModelWorld, openModelWorld, serve, TAGS, TOPIC, trainedOnTags } from './model-world.ts';

let world: ModelWorld;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

let models = 0;
let model = '';
let log: MemoryLog;
/** Looks wait for it: nothing is found by time alone. */
let looks: (() => void)[] = [];
let open: ModelFollower<string>[] = [];
beforeEach(() => {
  model = `model_${++models}`;
  log = new MemoryLog();
  looks = [];
  open = [];
});
afterEach(() => Promise.all(open.map((one) => one.close())));

const decode = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes).toString();
  if (text.startsWith('broken')) throw new Error('no such opset');
  return text;
};

async function follow(more: Partial<FollowerOptions<string>> = {}): Promise<ModelFollower<string>> {
  const follower = new ModelFollower<string>({
    model,
    decode,
    pool: world.pool,
    places: { reader: log, archiveDir: null },
    topic: TOPIC,
    clock: systemClock,
    untilNextLook: (signal) =>
      new Promise((resolve) => {
        looks.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    ...more,
  });
  open.push(follower);
  await follower.start();
  return follower;
}

const text = (value: string): Buffer => Buffer.from(value);
/** Waits for a condition; the limit only ends a test that hangs. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 60_000);
const losingAnnouncements = (): void => {
  log.outcome = ({ value }) => (decodeModelRecord(value)?.kind === 'announcement' ? 'away' : 'taken');
};

describe('a follower', () => {
  it('has the present version at its start, and the next by its announcement, without a look by time', async () => {
    await world.publish(log, text('one'), { model, metrics: { logLoss: 0.4 } });
    const changed: number[] = [];
    const late = await follow({ onChange: ({ version }) => changed.push(version) });
    const first = late.current;
    expect(first).toMatchObject({ model, version: 1, value: 'one', service: 'delay_model', metrics: { logLoss: 0.4 } });
    expect(first.features).toEqual({ route_delays: TAGS });
    expect(Object.isFrozen(first)).toBe(true);
    await world.publish(log, text('two'), { model });
    await eventually(() => expect(late.current).toMatchObject({ version: 2, value: 'two' }));
    expect(first).toMatchObject({ version: 1, value: 'one' });
    expect(changed).toEqual([2]);
    expect(late.status).toMatchObject({ refused: null, unreachable: null, loads: 2, refusals: {} });
    // Of others it hears, and does nothing.
    const { reads } = log;
    await world.publish(log, text('other'), { model: `${model}_b` });
    expect(late.current.version).toBe(2);
    expect(log.reads).toBe(reads + 1); // read back by who published
  });

  it('finds the next at its next look where the announcement is lost', async () => {
    await world.publish(log, text('one'), { model });
    const late = await follow();
    losingAnnouncements();
    await world.publish(log, text('two'), { model });
    expect(late.current.version).toBe(1);
    for (const look of looks.splice(0)) look();
    await eventually(() => expect(late.current).toMatchObject({ version: 2, value: 'two' }));
  });

  it('never has a torn or mixed version while versions come, are rolled back and lost', async () => {
    const files = Array.from({ length: 5 }, (_, n) =>
      Buffer.concat([text(`model ${n} `), randomBytes(CHUNK_BYTES + n).fill(65 + n)]),
    );
    await world.publish(log, files[0]!, { model });
    const late = await follow({
      decode: (bytes, about) => JSON.stringify([about.version, Buffer.from(bytes).toString()]),
    });
    const seen = new Set<string>();
    const done = new AbortController();
    const requests = (async () => {
      while (!done.signal.aborted) {
        const { version, value } = late.current;
        seen.add(value);
        expect(JSON.parse(value)).toEqual([version, files[version - 1]!.toString()]);
        await new Promise(setImmediate);
      }
    })();
    for (const file of files.slice(1)) await world.publish(log, file, { model });
    await eventually(() => expect(late.current.version).toBe(files.length));
    await rollbackModel({ pool: world.pool, model, alias: 'champion', actor: 'ana' });
    await late.look();
    expect(late.current.version).toBe(files.length - 1);
    done.abort();
    await requests;
    expect(seen.size).toBeGreaterThan(1);
  });

  it('keeps what it has where decode fails, says so once, and fetches it no more', async () => {
    await world.publish(log, text('one'), { model });
    const refused: RefusedModel[] = [];
    const late = await follow({ onRefused: (one) => refused.push(one) });
    await world.publish(log, text('broken'), { model });
    await eventually(() => expect(refused).toHaveLength(1));
    expect(refused[0]).toMatchObject({
      version: 2,
      error: { code: 'model-not-decoded', message: expect.stringContaining('no such opset') as string },
    });
    const { reads } = log;
    await late.look();
    await late.look();
    expect(log.reads).toBe(reads);
    expect(late.current.value).toBe('one');
    expect(late.status).toMatchObject({ refused: { version: 2 }, loads: 1, refusals: { 'model-not-decoded': 1 } });
    // One that starts now has what the others hold; and a good one ends it.
    expect((await follow()).current).toMatchObject({ version: 1, value: 'one' });
    await world.publish(log, text('three'), { model });
    await eventually(() => expect(late.current.value).toBe('three'));
    expect(late.status.refused).toBeNull();
  });

  it('goes back to the one before without its bytes: while Kafka is away, and once they are lost', async () => {
    await world.publish(log, text('one'), { model });
    let decoded = 0;
    const late = await follow({ decode: (bytes) => (decoded++, decode(bytes)) });
    const first = late.current;
    await world.publish(log, text('two'), { model });
    await eventually(() => expect(late.current.version).toBe(2));
    log.loseHead(log.end);
    log.onBounds = () => null;
    await rollbackModel({ pool: world.pool, model, alias: 'champion', actor: 'ana' });
    await late.look();
    expect(late.current).toBe(first);
    expect(late.status).toMatchObject({ refused: null, unreachable: null, loads: 3 });
    expect(decoded).toBe(2);
  });

  it('takes what its number stands for after the database was put back from a copy', async () => {
    await world.publish(log, text('one'), { model });
    const late = await follow();
    await runSql(world.pool, sqlText`DELETE FROM ${CATALOG}.model_alias WHERE model = ${model}`);
    await runSql(world.pool, sqlText`DELETE FROM ${CATALOG}.model_version WHERE model = ${model}`);
    await world.publish(log, text('another one'), { model });
    await eventually(() => expect(late.current).toMatchObject({ version: 1, value: 'another one' }));
  });

  it('tries bytes again that another version has: decode is told what they were trained on', async () => {
    await world.publish(log, text('one'), { model });
    const late = await follow({
      decode: (bytes, { signature }) => {
        if (signature.features[0]?.column !== 'route_delays__flights_1d') throw new Error('not its columns');
        return decode(bytes);
      },
    });
    const trainedOn = await trainedOnTags(world, TAGS);
    const without = { ...trainedOn, signature: { request: [], features: [] } };
    await world.publish(log, text('two'), { model, trainedOn: without });
    await eventually(() => expect(late.status.refused).toMatchObject({ version: 2 }));
    const right = { ...trainedOn, lineage: { ...trainedOn.lineage, trainingSet: 'another' } };
    await world.publish(log, text('two'), { model, trainedOn: right });
    await eventually(() => expect(late.current).toMatchObject({ version: 3, value: 'two' }));
    expect(late.status.refused).toBeNull();
  });

  it('that is closed waits for no decode, and takes nothing afterwards', async () => {
    await world.publish(log, text('one'), { model });
    let isAsked = false;
    const stuck = (): Promise<string> => {
      isAsked = true;
      return new Promise(() => undefined);
    };
    const starting = follow({ decode: stuck });
    await eventually(() => expect(isAsked).toBe(true));
    await open[0]!.close();
    await expect(starting).rejects.toMatchObject({ code: 'model-closed' });
    // One that has a version, and is about to take the next.
    const late = await follow({ decode: (bytes, { version }) => (version === 1 ? decode(bytes) : stuck()) });
    isAsked = false;
    await world.publish(log, text('two'), { model });
    await eventually(() => expect(isAsked).toBe(true));
    await late.close();
    expect(late.current.value).toBe('one');
    expect(late.status).toMatchObject({ refused: null, unreachable: null, loads: 1 });
  });

  it('that is closed while it starts has asked the log for the last time', async () => {
    await world.publish(log, text('one'), { model });
    let answer: (() => void) | null = null;
    let asked = 0;
    const reader = Object.assign(Object.create(log) as MemoryLog, {
      bounds: async (topic: string) => {
        asked++;
        await new Promise<void>((resolve) => (answer = resolve));
        return await log.bounds(topic);
      },
    });
    const starting = follow({ places: { reader, archiveDir: null } });
    await eventually(() => expect(answer).not.toBeNull());
    let isClosed = false;
    const closing = open[0]!.close().then(() => (isClosed = true));
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    answer!();
    await closing;
    await expect(starting).rejects.toMatchObject({ code: 'model-closed' });
    expect(asked).toBe(1);
  });

  it('does not start where there is nothing that it could hold', async () => {
    await expect(follow()).rejects.toMatchObject({ code: 'unknown-model' });
    await world.publish(log, text('broken'), { model });
    await expect(follow()).rejects.toMatchObject({ code: 'model-not-decoded' });
    await expect(follow({ alias: 'challenger' })).rejects.toMatchObject({ code: 'unknown-model' });
    log.loseHead(1);
    await expect(follow({ decode: () => 'any' })).rejects.toMatchObject({ code: 'model-lost' });
    const read = await follow({ decode: () => 'any', places: { reader: log, archiveDir: world.archiveDir } });
    expect(read.current.value).toBe('any');
  });

  it('keeps what it has while database and topic cannot be read, and says so', async () => {
    await world.publish(log, text('one'), { model });
    const late = await follow();
    log.onBounds = () => null;
    await world.publish(new MemoryLog(), text('two'), { model });
    await late.look();
    expect(late.current.version).toBe(1);
    expect(late.status.unreachable).toMatchObject({ message: expect.stringContaining('no network') as string });
    log.onBounds = null;
    // That log has nothing of it; but version 1 is there still.
    await late.look();
    expect(late.status).toMatchObject({ unreachable: null, refused: { version: 2, error: { code: 'model-lost' } } });
  });
});

describe('features', () => {
  const other = { ...TAGS, delay_avg_7d: '00000000000000cc' };
  const trainedOn = (tags: Record<string, string>): Promise<TrainedOn> => trainedOnTags(world, tags);
  afterEach(() => serve(world.pool, TAGS, 'route_delays', 100 + models));

  it('that are not served as they were trained on are refused, named, by who publishes and who follows', async () => {
    await world.publish(log, text('one'), { model });
    const late = await follow();
    const ahead = await trainedOn(other);
    await expect(world.publish(log, text('two'), { model, trainedOn: ahead })).rejects.toMatchObject({
      code: 'model-features-changed',
      message: expect.stringContaining(
        'route_delays.delay_avg_7d: trained on 00000000000000cc, served is 00000000000000bb',
      ) as string,
    });
    // Ahead of its view: who holds the one before keeps it, and who starts gets that, too.
    await world.publish(log, text('two'), { model, trainedOn: ahead, ahead: true });
    await eventually(() => expect(late.status.refused?.version).toBe(2));
    expect(late.status.refused?.error.code).toBe('model-features-changed');
    expect(late.current.value).toBe('one');
    expect((await follow()).current.value).toBe('one');
    // The view is flipped: now that one is it.
    await serve(world.pool, other, 'route_delays', 1000 + models);
    await late.look();
    expect(late.current.value).toBe('two');
    expect((await follow()).current.value).toBe('two');
    // And back: what is held stays, and it is said that it does not fit.
    await serve(world.pool, TAGS, 'route_delays', 2000 + models);
    await late.look();
    expect(late.current.value).toBe('two');
    expect(late.status.refused).toMatchObject({ version: 2, error: { code: 'model-features-changed' } });
    await rollbackModel({ pool: world.pool, model, alias: 'champion', actor: 'ana' });
    await late.look();
    expect(late.current.value).toBe('one');
    await expect(
      pointAlias({ pool: world.pool, model, alias: 'champion', version: 2, actor: 'ana' }),
    ).rejects.toMatchObject({ code: 'model-features-changed' });
  });

  it('that wait to be served are passed over by what an alias can go back to, however many are published ahead', async () => {
    const steer = { pool: world.pool, model, actor: 'ana' };
    const alias = 'champion';
    const ahead = await trainedOn(other);
    for (const [value, more] of [
      ['one', {}],
      ['two', { trainedOn: ahead, ahead: true }],
    ] as const)
      await world.publish(log, text(value), { model, ...more });
    await world.publish(log, text('three'), { model, trainedOn: ahead, ahead: true });
    // Who starts has what the others hold.
    expect((await follow()).current.value).toBe('one');
    await pointAlias({ ...steer, alias, version: 2, ahead: true });
    expect((await follow()).current.value).toBe('one');
    // Once they are served, there is no way back to what is not.
    await serve(world.pool, other, 'route_delays', 4000 + models);
    await expect(rollbackModel({ ...steer, alias })).rejects.toMatchObject({
      code: 'model-features-changed',
      message: expect.stringContaining('version 1') as string,
    });
    expect((await follow()).current.value).toBe('two');
    await pointAlias({ ...steer, alias, version: 3 });
    expect(await rollbackModel({ ...steer, alias })).toEqual({ alias, version: 2, before: 3 });
  });

  it('of a view that is not served are none; of a version without tags nobody can tell', async () => {
    await expect(
      world.publish(log, text('x'), {
        model,
        trainedOn: { ...(await trainedOn(TAGS)), features: { elsewhere: TAGS } },
      }),
    ).rejects.toMatchObject({
      code: 'model-features-changed',
      message: expect.stringContaining('served is none') as string,
    });
    await serve(world.pool, null, 'route_delays', 3000 + models);
    await world.publish(log, text('x'), { model, trainedOn: await trainedOn(other) });
    expect((await follow()).current.value).toBe('x');
  });
});

describe('what the service derives', () => {
  it('is told by its tag, of the version of the service that is served', async () => {
    const derived = '00000000000000dd';
    const trainedOn = { ...(await trainedOnTags(world, TAGS)), derived };
    const views = { route_delays: TAGS };
    const apply = (tag: string | undefined) =>
      noteServices(world.pool, { delay_model: { views, blocks: null, derived: tag } }, 'ana');
    // Never applied: nobody can tell.
    await world.publish(log, text('one'), { model, trainedOn });
    const late = await follow();
    await apply(derived);
    await late.look();
    expect(late.status.refused).toBeNull();
    for (const [tag, served] of [['00000000000000ee', 'another'] as const, [undefined, 'none'] as const]) {
      await apply(tag);
      await late.look();
      expect(late.status.refused?.error).toMatchObject({
        code: 'model-features-changed',
        message: expect.stringContaining(`delay_model.derived: trained on ${derived}, served is ${served}`) as string,
      });
    }
    expect(late.current.value).toBe('one');
  });
});

describe('aliases', () => {
  const steer = () => ({ pool: world.pool, model, actor: 'ana' });

  it('stand for versions; going back notes the version that was left, and is possible once', async () => {
    await world.publish(log, text('one'), { model });
    await world.publish(log, text('two'), { model, alias: 'challenger' });
    const late = await follow();
    const challenger = await follow({ alias: 'challenger' });
    expect([late.current.value, challenger.current.value]).toEqual(['one', 'two']);
    await expect(rollbackModel({ ...steer(), alias: 'champion' })).rejects.toMatchObject({ code: 'no-previous-model' });
    expect(await pointAlias({ ...steer(), alias: 'champion', version: 2 })).toEqual({
      alias: 'champion',
      version: 2,
      before: 1,
    });
    await late.look();
    expect(late.current.value).toBe('two');
    expect(await rollbackModel({ ...steer(), alias: 'champion' })).toEqual({
      alias: 'champion',
      version: 1,
      before: 2,
    });
    await expect(rollbackModel({ ...steer(), alias: 'champion' })).rejects.toMatchObject({ code: 'no-previous-model' });
    await expect(pointAlias({ ...steer(), alias: 'champion', version: 9 })).rejects.toMatchObject({
      code: 'unknown-model',
    });
    await expect(rollbackModel({ ...steer(), model: 'none', alias: 'champion' })).rejects.toMatchObject({
      code: 'unknown-model',
    });
  });
});
