/** What a process knows of a rollout, and holds of its versions: heard of, found, grown old, lost. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { RefusedModel } from '../../engine/models/loaded-model.ts';
import { type FollowerOptions, ModelFollower } from '../../engine/models/model-follower.ts';
import { decodeModelRecord, encodeModelRecord } from '../../engine/models/model-record.ts';
import { renewLease } from '../../engine/postgres/rollouts.ts';
import { HEARD_WITHIN_MS } from '../../engine/rollouts/choose-variant.ts';
import { RolloutFollower } from '../../engine/rollouts/rollout-follower.ts';
import { endRollout, moveRollout, promoteRollout } from '../../engine/rollouts/steer-rollouts.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld, serve, TAGS, TOPIC, trainedOnTags } from '../models/model-world.ts';
import { openIt, publishVersions, sharesOf } from './rollout-world.ts';

let world: ModelWorld;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

let models = 0;
let model = '';
let log: MemoryLog;
let looks: (() => void)[] = [];
let nowMs = 0;
let decoded: number[] = [];
let refused: RefusedModel[] = [];
let open: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  model = `model_${++models}`;
  log = new MemoryLog();
  looks = [];
  nowMs = 0;
  decoded = [];
  refused = [];
  open = [];
  await publishVersions(world, log, model);
});
afterEach(async () => {
  for (const one of open.toReversed()) await one.close();
});

/** No time passes but what a test lets pass, and nobody looks by time but when a test says so. */
const clock = { ...systemClock, monotonicMs: () => nowMs };
const untilNextLook = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    looks.push(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
const lookByTime = (): void => {
  for (const look of looks.splice(0)) look();
};

interface Followed {
  readonly late: RolloutFollower<string>;
  readonly champion: ModelFollower<string>;
}

async function follow(decode?: FollowerOptions<string>['decode']): Promise<Followed> {
  let late: RolloutFollower<string> | null = null;
  const champion = new ModelFollower<string>({
    model,
    decode: (bytes, about) => {
      decoded.push(about.version);
      return decode?.(bytes, about) ?? Buffer.from(bytes).toString();
    },
    pool: world.pool,
    places: { reader: log, archiveDir: null },
    topic: TOPIC,
    clock,
    untilNextLook,
    onHeard: () => void late?.look(),
    heldBeside: (version) => late?.find(version) ?? null,
  });
  open.push(champion);
  await champion.start();
  late = new RolloutFollower<string>({
    model,
    pool: world.pool,
    clock,
    champion,
    untilNextLook,
    onRefused: (one) => refused.push(one),
  });
  open.push(late);
  await late.start();
  return { late, champion };
}

const announce = (): void => log.put(encodeModelRecord({ kind: 'announcement', model }));
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 60_000);
const said = () => ({ pool: world.pool, actor: 'ana', why: 'no worse' });
const none = { silent: 0, 'lease-lapsed': 0, 'not-held': 0, 'no-unit': 0, 'shadow-not-held': 0 };

describe('a follower of a rollout', () => {
  it('has the champion while none is open, and hears of one by its announcement; of its moves and its end, too', async () => {
    const { late } = await follow();
    expect(late.choose('a')).toMatchObject({ variant: 'champion', held: null, assigned: null, fellBack: null });
    const opened = await openIt(world, model, { share: 0, shadow: true });
    announce();
    await eventually(() => expect(late.choose('a').shadow).toMatchObject({ held: { version: 2, value: 'model 2' } }));
    expect(late.choose('a')).toMatchObject({
      variant: 'against',
      held: { version: 1 },
      assigned: { rollout: opened.id, stage: 0 },
    });
    const next = { stage: 1, shadow: false, shares: sharesOf(1) };
    await moveRollout({ ...said(), id: opened.id, expected: 1, next });
    announce();
    await eventually(() =>
      expect(late.choose('a')).toMatchObject({ variant: 'candidate', assigned: { revision: 2, stage: 1 } }),
    );
    await endRollout({ ...said(), id: opened.id, phase: 'returned' });
    announce();
    await eventually(() => expect(late.choose('a').variant).toBe('champion'));
    expect(late.status).toMatchObject({ rollout: null, fallbacks: none, unreachable: null, refused: [] });
    // Its champion was decoded for both, the candidate once.
    expect(decoded).toEqual([1, 2]);
    expect(log.records.filter(({ value }) => decodeModelRecord(value)?.kind === 'announcement').length).toBeGreaterThan(
      2,
    );
  });

  it('finds at its next look what no announcement told', async () => {
    const { late } = await follow();
    await openIt(world, model, { share: 1 });
    expect(late.choose('a').variant).toBe('champion');
    lookByTime();
    await eventually(() => expect(late.choose('a')).toMatchObject({ variant: 'candidate', held: { version: 2 } }));
  });

  it('falls back once nothing was heard for 30 s, counts it, and goes on where it hears again', async () => {
    await openIt(world, model, { share: 1, leaseMs: 3_600_000 });
    const { late } = await follow();
    expect(late.choose('a').variant).toBe('candidate');
    nowMs += HEARD_WITHIN_MS;
    expect(late.choose('a').variant).toBe('candidate');
    nowMs += 1;
    expect(late.choose('a')).toMatchObject({
      variant: 'against',
      held: { version: 1 },
      assigned: null,
      fellBack: 'silent',
    });
    late.choose('b');
    expect(late.status).toMatchObject({ heardAgoMs: HEARD_WITHIN_MS + 1, fallbacks: { ...none, silent: 2 } });
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'candidate', fellBack: null });
    expect(late.status).toMatchObject({ heardAgoMs: 0, fallbacks: { ...none, silent: 2 } });
  });

  it('falls back where the lease lapses, and goes on where it is renewed', async () => {
    const { id } = await openIt(world, model, { share: 1, leaseMs: 20_000 });
    const { late } = await follow();
    expect(late.choose('a').variant).toBe('candidate');
    nowMs += 20_000;
    expect(late.choose('a')).toMatchObject({ variant: 'against', fellBack: 'lease-lapsed' });
    await renewLease(world.pool, id, 0);
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', fellBack: 'lease-lapsed' });
    await renewLease(world.pool, id, 20_000);
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'candidate', fellBack: null });
    expect(late.status.fallbacks).toEqual({ ...none, 'lease-lapsed': 2 });
  });

  it('holds what was promoted without loading it again, and never gives back what it replaced', async () => {
    const { id } = await openIt(world, model, { share: 1 });
    const { late, champion } = await follow();
    const seen = new Set<string | number>();
    const done = new AbortController();
    const requests = (async () => {
      while (!done.signal.aborted) {
        const { held } = late.choose('a');
        seen.add((held ?? champion.current).version);
        await new Promise(setImmediate);
      }
    })();
    log.loseHead(log.end);
    await promoteRollout({ ...said(), id });
    announce();
    await eventually(() => expect(late.choose('a').variant).toBe('champion'));
    done.abort();
    await requests;
    expect([...seen]).toEqual([2]);
    expect(champion.current).toMatchObject({ version: 2, value: 'model 2' });
    expect(decoded).toEqual([1, 2]);
  });

  it('gives units of a candidate that cannot be decoded what is there, counts them and says so once', async () => {
    const { late } = await follow((bytes, { version }) => {
      if (version === 2) throw new Error('no such opset');
      return Buffer.from(bytes).toString();
    });
    const opened = await openIt(world, model, { share: 1 });
    announce();
    await eventually(() =>
      expect(late.choose('a')).toMatchObject({
        variant: 'against',
        held: { version: 1 },
        assigned: null,
        fellBack: 'not-held',
      }),
    );
    await late.look();
    await late.look();
    expect(refused).toMatchObject([{ version: 2, error: { code: 'model-not-decoded' } }]);
    expect(late.status.refused).toMatchObject([{ version: 2, error: { code: 'model-not-decoded' } }]);
    expect(decoded).toEqual([1, 2]);
    // Of what is there nothing is wrong.
    await moveRollout({
      ...said(),
      id: opened.id,
      expected: 1,
      next: { stage: 0, shadow: false, shares: sharesOf(0) },
    });
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', assigned: { variant: 'against' }, fellBack: null });
    await moveRollout({ ...said(), id: opened.id, expected: 2, next: { stage: 0, shadow: true, shares: sharesOf(0) } });
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', shadow: null, fellBack: null });
    expect(late.status.fallbacks).toMatchObject({ 'shadow-not-held': 1 });
  });

  it('gives units of a candidate whose bytes are lost, or cannot be reached, what is there, until they are back', async () => {
    const { late } = await follow();
    const [records, { end }] = [log.records.slice(), log];
    await openIt(world, model, { share: 1 });
    log.loseHead(end);
    await late.look();
    await eventually(() => expect(refused).toMatchObject([{ version: 2, error: { code: 'model-lost' } }]));
    expect(late.choose('a')).toMatchObject({ variant: 'against', fellBack: 'not-held' });
    log.onBounds = () => null;
    await late.look();
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', fellBack: 'not-held' });
    log.onBounds = null;
    log.low = 0;
    log.records.unshift(...records);
    lookByTime();
    await eventually(() =>
      expect(late.choose('a')).toMatchObject({ variant: 'candidate', held: { version: 2 }, fellBack: null }),
    );
    expect(late.status.refused).toEqual([]);
  });

  it('hears of the end of a rollout whose candidate is being decoded still', async () => {
    let isAsked = false;
    const { late } = await follow((bytes, { version }) => {
      if (version === 1) return Buffer.from(bytes).toString();
      isAsked = true;
      return new Promise(() => undefined);
    });
    const { id } = await openIt(world, model, { share: 1 });
    announce();
    await eventually(() => expect(isAsked).toBe(true));
    // Until it is held nobody is assigned, and nobody is counted.
    expect(late.choose('a')).toMatchObject({ variant: 'champion', fellBack: null });
    await endRollout({ ...said(), id, phase: 'stopped' });
    await publishVersions(world, log, `${model}_b`);
    await late.look();
    expect(late.status).toMatchObject({ rollout: null, unreachable: null, fallbacks: none });
  });

  it('gives a candidate to nobody any more once what it was trained on is served no more; what is there stays', async () => {
    const other = { ...TAGS, flights_1d: '00000000000000ee' };
    const { id } = await openIt(world, model, { share: 1 });
    const { late } = await follow();
    expect(late.choose('a').variant).toBe('candidate');
    await serve(world.pool, other, 'route_delays', 1000 + models);
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', held: { version: 1 }, fellBack: 'not-held' });
    expect(refused).toMatchObject([{ version: 2, error: { code: 'model-features-changed' } }]);
    await moveRollout({ ...said(), id, expected: 1, next: { stage: 0, shadow: false, shares: sharesOf(0) } });
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'against', held: { version: 1 }, fellBack: null });
    await serve(world.pool, TAGS, 'route_delays', 2000 + models);
    await moveRollout({ ...said(), id, expected: 2, next: { stage: 0, shadow: false, shares: sharesOf(1) } });
    await late.look();
    expect(late.choose('a')).toMatchObject({ variant: 'candidate', fellBack: null });
    expect(decoded).toEqual([1, 2]);
  });

  it('that starts where what is there cannot be held gives the champion in its place, and says so', async () => {
    const ahead = await trainedOnTags(world, { ...TAGS, flights_1d: '00000000000000ee' });
    await world.publish(log, Buffer.from('model 3'), { model, alias: null, trainedOn: ahead, ahead: true });
    const variants = sharesOf(0.5).map((one) => ({ ...one, version: one.variant === 'candidate' ? 2 : 3 }));
    await openIt(world, model, { variants });
    const { late, champion } = await follow();
    const units = Array.from({ length: 50 }, (_, unit) => late.choose(`unit-${unit}`));
    const fallen = units.filter(({ fellBack }) => fellBack === 'not-held');
    expect(fallen.length).toBeGreaterThan(0);
    expect(fallen.length).toBeLessThan(50);
    for (const { variant, held } of fallen) expect({ variant, held }).toEqual({ variant: 'against', held: null });
    expect(champion.current.version).toBe(1);
    expect(refused).toMatchObject([{ version: 3, error: { code: 'model-features-changed' } }]);
  });
});
