/** The state of a rollout: one open per model, moved by whoever knew the state before, its revisions kept. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { placeOfUnit, variantAt } from '../../engine/evidence/assignment.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { modelAliases } from '../../engine/postgres/model-versions.ts';
import {
  renewLease,
  type Rollout,
  rolloutById,
  rolloutOf,
  rolloutRevisions,
  rollouts,
} from '../../engine/postgres/rollouts.ts';
import { endRollout, LEASE_MS, moveRollout, promoteRollout } from '../../engine/rollouts/steer-rollouts.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld, serve, TAGS } from '../models/model-world.ts';
import { openIt, publishVersions, sharesOf } from './rollout-world.ts';

let world: ModelWorld;
let models = 0;
let model = '';
const log = new MemoryLog();
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());
beforeEach(async () => {
  model = `model_${++models}`;
  await publishVersions(world, log, model);
});

const said = () => ({ pool: world.pool, actor: 'ana', why: 'no worse' });
const move = (row: Rollout, candidate: number, more: Partial<Parameters<typeof moveRollout>[0]> = {}) =>
  moveRollout({
    ...said(),
    id: row.id,
    expected: row.revision,
    next: { stage: row.stage, shadow: false, shares: sharesOf(candidate) },
    ...more,
  });

describe('a rollout', () => {
  it('is opened, moved and ended; its revisions and the events say who and why', async () => {
    const opened = await openIt(world, model, { shadow: true, share: 0, asked: { units: 'customer' } });
    expect(opened).toMatchObject({
      model,
      revision: 1,
      salt: opened.id,
      mode: 'stages',
      phase: 'open',
      stage: 0,
      shadow: true,
      variants: [
        { variant: 'candidate', version: 2, share: 0 },
        { variant: 'against', version: 1, share: 1 },
      ],
      asked: { units: 'customer' },
      endedAtUs: null,
    });
    expect(opened.leaseLeftMs).toBeGreaterThan(0);
    expect(opened.leaseLeftMs).toBeLessThanOrEqual(LEASE_MS);
    const next = { stage: 1, shadow: false, shares: sharesOf(0.1).toReversed() };
    const moved = await moveRollout({ ...said(), id: opened.id, expected: 1, next });
    expect(moved).toMatchObject({ revision: 2, stage: 1, shadow: false, salt: opened.salt });
    expect(moved.variants.map(({ share }) => share)).toEqual([0.1, 0.9]);
    expect(await rolloutOf(world.pool, model)).toMatchObject({ id: opened.id, revision: 2 });
    const ended = await endRollout({ ...said(), id: opened.id, phase: 'returned', why: 'errors' });
    expect(ended).toMatchObject({ revision: 3, phase: 'returned', variants: [{ share: 0 }, { share: 1 }] });
    expect(ended.endedAtUs).toBe(ended.movedAtUs);
    expect(await rolloutOf(world.pool, model)).toBeNull();
    expect((await rollouts(world.pool, model)).map(({ id }) => id)).toEqual([opened.id]);
    const revisions = await rolloutRevisions(world.pool, opened.id);
    expect(revisions.map(({ revision, phase, shadow, actor, why }) => [revision, phase, shadow, actor, why])).toEqual([
      [1, 'open', true, 'ana@laptop', 'started'],
      [2, 'open', false, 'ana', 'no worse'],
      [3, 'returned', false, 'ana', 'errors'],
    ]);
    expect(revisions.map(({ atUs }) => atUs)).toEqual([opened.movedAtUs, moved.movedAtUs, ended.movedAtUs]);
    const events = await auditEvents(world.pool, { subject: model, limit: 3 });
    expect(events.map(({ action, input }) => [action, input['why']])).toEqual([
      ['rollout end', 'errors'],
      ['rollout move', 'no worse'],
      ['rollout open', 'started'],
    ]);
  });

  it('is one of its model, whoever starts another, and many at once; the same one said again is it', async () => {
    const ids = Array.from({ length: 6 }, () => randomUUID());
    const started = await Promise.allSettled(ids.map((id) => openIt(world, model, { id })));
    const [open, ...more] = started.filter(({ status }) => status === 'fulfilled');
    expect(more).toEqual([]);
    const { id } = (open as PromiseFulfilledResult<Rollout>).value;
    for (const one of started)
      if (one.status === 'rejected')
        expect(one.reason).toMatchObject({ code: 'rollout-open', message: expect.stringContaining(id) as string });
    expect(await openIt(world, model, { id })).toMatchObject({ id, revision: 1 });
    await endRollout({ ...said(), id, phase: 'stopped' });
    expect(await openIt(world, model, { id })).toMatchObject({ id, phase: 'stopped' });
    expect(await openIt(world, model)).toMatchObject({ revision: 1, phase: 'open' });
    const other = `${model}_b`;
    await publishVersions(world, log, other);
    await expect(openIt(world, other, { id })).rejects.toMatchObject({ code: 'rollout-open' });
  });

  it('is moved by whoever knew its state: of many at once by one, and said again it is done', async () => {
    const opened = await openIt(world, model, { share: 0.1 });
    const all = await Promise.allSettled([0.2, 0.3, 0.4, 0.5].map((share) => move(opened, share)));
    const [won, ...others] = all.filter(({ status }) => status === 'fulfilled');
    expect(others).toEqual([]);
    for (const one of all)
      if (one.status === 'rejected')
        expect(one.reason).toMatchObject({ code: 'rollout-moved', details: { expected: 1, revision: 2 } });
    const moved = (won as PromiseFulfilledResult<Rollout>).value;
    expect(await move(opened, moved.variants[0]!.share)).toMatchObject({ revision: 2 });
    expect(await rolloutRevisions(world.pool, opened.id)).toHaveLength(2);
  });

  it('by stages gives a growing share units of against alone, and none back, for its life', async () => {
    const units = Array.from({ length: 500 }, (_, unit) => `unit-${unit}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
        async (shares) => {
          let row = await openIt(world, model, { share: 0 });
          let had = new Set<string>();
          for (const share of shares.toSorted((a, b) => a - b)) {
            row = await move(row, share);
            const has = new Set(
              units.filter((unit) => variantAt(placeOfUnit(row.salt, unit), row.variants) === 'candidate'),
            );
            expect([...had].filter((unit) => !has.has(unit))).toEqual([]);
            had = has;
          }
          await endRollout({ ...said(), id: row.id, phase: 'stopped' });
        },
      ),
      lawRuns(12),
    );
  });

  it('is promoted with the champion, in one step: or neither', async () => {
    const { id } = await openIt(world, model);
    const other = { ...TAGS, flights_1d: '00000000000000ee' };
    await serve(world.pool, other, 'route_delays', 1000 + models);
    await expect(promoteRollout({ ...said(), id })).rejects.toMatchObject({ code: 'model-features-changed' });
    expect(await rolloutOf(world.pool, model)).toMatchObject({ id, phase: 'open', revision: 1 });
    await serve(world.pool, TAGS, 'route_delays', 2000 + models);
    const promoted = await Promise.all([promoteRollout({ ...said(), id }), promoteRollout({ ...said(), id })]);
    for (const one of promoted)
      expect(one).toMatchObject({ phase: 'promoted', revision: 2, variants: [{ share: 1 }, { share: 0 }] });
    expect(await modelAliases(world.pool, model)).toMatchObject([{ alias: 'champion', version: 2, previous: 1 }]);
    const events = await auditEvents(world.pool, { subject: model, limit: 2 });
    expect(events.map(({ action }) => action)).toEqual(['model alias', 'rollout end']);
    await expect(promoteRollout({ ...said(), id: 'none' })).rejects.toMatchObject({ code: 'unknown-rollout' });
  });

  it('that has ended is not changed, and its lease not renewed', async () => {
    const opened = await openIt(world, model, { leaseMs: 1_000 });
    expect(await renewLease(world.pool, opened.id, 3_600_000)).toBe(true);
    expect((await rolloutById(world.pool, opened.id))?.leaseLeftMs).toBeGreaterThan(1_000_000);
    expect(await rolloutById(world.pool, opened.id)).toMatchObject({ revision: 1 });
    await endRollout({ ...said(), id: opened.id, phase: 'stopped' });
    expect(await endRollout({ ...said(), id: opened.id, phase: 'stopped' })).toMatchObject({ revision: 2 });
    await expect(endRollout({ ...said(), id: opened.id, phase: 'returned' })).rejects.toMatchObject({
      code: 'rollout-ended',
    });
    await expect(promoteRollout({ ...said(), id: opened.id })).rejects.toMatchObject({ code: 'rollout-ended' });
    await expect(move(opened, 0.6)).rejects.toMatchObject({ code: 'rollout-ended' });
    expect(await renewLease(world.pool, opened.id, 3_600_000)).toBe(false);
    await expect(endRollout({ ...said(), id: 'none', phase: 'stopped' })).rejects.toMatchObject({
      code: 'unknown-rollout',
    });
  });

  it('is refused what it cannot be', async () => {
    const variants = [
      { variant: 'candidate', version: 9, share: 0.5 },
      { variant: 'against', version: 1, share: 0.5 },
    ];
    await expect(openIt(world, model, { variants })).rejects.toMatchObject({ code: 'unknown-model' });
    await expect(openIt(world, model, { salt: 'a\0b' })).rejects.toMatchObject({ code: 'invalid-rollout' });
    const row = await move(await openIt(world, model, { stage: 2 }), 0.6);
    const next = { stage: 2, shadow: false, shares: sharesOf(0.7) };
    for (const wrong of [
      { ...next, stage: 1 },
      { ...next, stage: 2.5 },
      { ...next, shadow: true },
      { ...next, shares: [{ variant: 'candidate', share: 1 }] },
      { ...next, shares: [...sharesOf(0.7), { variant: 'other', share: 0 }] },
      { ...next, shares: [{ variant: 'other', share: 0.5 }, ...sharesOf(0.5).slice(1)] },
    ])
      await expect(move(row, 0.7, { next: wrong })).rejects.toMatchObject({ code: 'invalid-rollout' });
    await expect(
      move(row, 0.7, { next: { ...next, shares: sharesOf(0.7).map((one) => ({ ...one, share: 0.7 })) } }),
    ).rejects.toMatchObject({ code: 'invalid-shares' });
    expect(await rolloutOf(world.pool, model)).toMatchObject({ revision: 2 });
  });
});
