import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { desiredCode } from '../../activities/desired-code.ts';
import { type FolderDifference, FolderDifferences } from '../../activities/folder-differences.ts';
import { resolveView } from '../../activities/resolve-view.ts';
import { sourceNamed } from '../../activities/source-named.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { semanticsRetired } from '../../engine/define/semantics.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import {
  type DesiredView,
  desiredView,
  desiredViews,
  lockDesired,
  moveDesired,
} from '../../engine/postgres/desired-views.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';

const BY: Pick<DesiredView, 'actor' | 'message'> = { actor: 'ana', message: null };
const folderView = spendingView({ topic: 'purchases', fingerprint: 'a'.repeat(64) });
const appliedView = spendingView({ topic: 'purchases', fingerprint: 'b'.repeat(64), source: { dedupeHorizonUs: 7 } });
const servedView = spendingView({ topic: 'purchases', fingerprint: 'c'.repeat(64), source: { dedupeHorizonUs: 9 } });
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeEach(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterEach(() => database.close());

function depsOf(folder: readonly CompiledView[], stored: readonly CompiledView[]): ActivityDeps {
  return {
    definitions: {
      folder: '/',
      baseFolder: '/',
      views: new Map(folder.map((view) => [view.name, view])),
      services: new Map(),
      sources: new Map(folder.map(({ source }) => [source.name, source])),
      labelSets: new Map(),
    },
    code: codeOf([...folder, ...stored]),
    pool: database.pool,
    reader: null,
    topicReader: null,
    archiveDir: '/',
    servedTopic: 'served',
    clock: systemClock,
    roots: null,
    spillDir: '/',
    memory: processMemory(),
    identity: 'test',
  };
}

/** One apply of these. */
const apply = (views: readonly Pick<CompiledView, 'name' | 'fingerprint'>[], by = BY): Promise<number> =>
  withTransaction(database.pool, async (client) => {
    await lockDesired(client);
    return await moveDesired(
      client,
      views.map(({ name, fingerprint }) => ({ view: name, fingerprint })),
      by,
    );
  });

async function serve(view: CompiledView): Promise<void> {
  const broker = new MemoryBroker();
  broker.createTopic('purchases', 1);
  await publishEmptyVersion(database.pool, view, broker.bounds('purchases'));
}

describe('what was applied', () => {
  it('has a number that rises over all views, who did it and why', async () => {
    expect(await desiredView(database.pool, 'a')).toBeNull();
    const of = (name: string, digit: string) => ({ name, fingerprint: digit.repeat(64) });
    expect(await apply([of('a', '1'), of('b', '1')], { actor: 'ana', message: 'the first' })).toBe(1);
    expect(await apply([of('b', '2')], { actor: 'bo', message: null })).toBe(2);
    expect(await apply([of('a', '3')])).toBe(3);
    expect(await desiredViews(database.pool)).toMatchObject([
      { view: 'a', fingerprint: '3'.repeat(64), applyNumber: 3, actor: 'ana', message: null },
      { view: 'b', fingerprint: '2'.repeat(64), applyNumber: 2, actor: 'bo', message: null },
    ]);
  });

  it('is of the later one where two apply at once, and of no two', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const numbers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        // Each in an order of its own: without the lock they would wait for each other in a circle.
        const own = names.toSorted(() => (index % 2 === 0 ? 1 : -1));
        return [await apply(own.map((name) => ({ name, fingerprint: String(index).repeat(64) }))), index] as const;
      }),
    );
    expect(numbers.map(([number]) => number).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const [, last] = numbers.find(([number]) => number === 8)!;
    for (const { applyNumber, fingerprint } of await desiredViews(database.pool))
      expect([applyNumber, fingerprint]).toEqual([8, String(last).repeat(64)]);
  });
});

describe('what is to be built', () => {
  it("is the worker's own where nobody ever applied anything", async () => {
    await serve(servedView);
    expect(await desiredCode(depsOf([folderView], [servedView]), 'spending')).toBe(folderView);
  });

  it('is what was applied, whatever the worker has, or has not', async () => {
    await apply([appliedView]);
    for (const folder of [[folderView], []]) {
      const deps = depsOf(folder, [appliedView]);
      expect(await desiredCode(deps, 'spending')).toBe(appliedView);
      expect(await resolveView(deps, { view: 'spending' })).toMatchObject({ fingerprint: appliedView.fingerprint });
    }
    // Where its code is not to be had nothing else is built in its place.
    await expect(desiredCode(depsOf([folderView], []), 'spending')).rejects.toMatchObject({
      code: 'definition-changed',
    });
  });

  it('is what is served where nothing else is known, and unknown where nothing is', async () => {
    await expect(desiredCode(depsOf([], []), 'spending')).rejects.toMatchObject({
      code: 'unknown-view',
      httpStatus: 404,
      details: { folder: '/' },
    });
    await serve(servedView);
    expect(await desiredCode(depsOf([], [servedView]), 'spending')).toBe(servedView);
  });

  it('is the same definition by the semantics of now, where it was applied before an upgrade', async () => {
    await apply([appliedView]);
    const retired = async (): Promise<never> => {
      throw semanticsRetired('spending', null, ENGINE_SEMANTICS - 1);
    };
    const upgraded = { ...folderView, fingerprintBefore: async () => appliedView.fingerprint };
    const deps = { ...depsOf([upgraded], []), code: { viewOf: retired } };
    expect(await desiredCode(deps, 'spending')).toBe(upgraded);
    const another = { ...depsOf([folderView], []), code: { viewOf: retired } };
    await expect(desiredCode(another, 'spending')).rejects.toMatchObject({ code: 'semantics-retired' });
  });
});

describe('the source that an archive is of', () => {
  it("is that of the view as it is to be, else as it is served, else the worker's own", async () => {
    const horizon = async (deps: ActivityDeps): Promise<number> =>
      (await sourceNamed(deps, 'purchases')).dedupeHorizonUs;
    const own = folderView.source.dedupeHorizonUs;
    const all = [appliedView, servedView];
    expect(await horizon(depsOf([folderView], all))).toBe(own);
    await expect(sourceNamed(depsOf([], all), 'purchases')).rejects.toMatchObject({ code: 'unknown-source' });
    await serve(servedView);
    expect(await horizon(depsOf([folderView], all))).toBe(own);
    expect(await horizon(depsOf([], all))).toBe(9);
    await apply([appliedView]);
    expect(await horizon(depsOf([folderView], all))).toBe(7);
    // What is to be reads another source: that of what is served is archived on.
    const moved = { ...appliedView, source: { ...appliedView.source, name: 'payments' } };
    expect(await horizon(depsOf([], [moved, servedView]))).toBe(9);
    expect(await horizon(depsOf([folderView], []))).toBe(own);
  });
});

describe('a worker with another folder', () => {
  it('says so, once per view and what is run', async () => {
    const said: FolderDifference[] = [];
    const differencesOf = (folder: readonly CompiledView[]) =>
      new FolderDifferences({
        views: new Map(folder.map((view) => [view.name, view])),
        pool: database.pool,
        onDifference: (difference) => said.push(difference),
      });
    const differences = differencesOf([folderView]);
    await differences.look();
    expect(said).toEqual([]);
    await serve(servedView);
    await differences.look();
    await differences.look();
    const difference = {
      view: 'spending',
      folder: folderView.fingerprint,
      applied: null,
      live: servedView.fingerprint,
    };
    expect(said).toEqual([difference]);
    await apply([appliedView]);
    await differences.look();
    await differences.look();
    expect(said.slice(1)).toEqual([{ ...difference, applied: appliedView.fingerprint }]);
    // Without the view; with what was applied; and with the same definition after an upgrade of the engine.
    await differencesOf([]).look();
    expect(said.slice(2)).toEqual([{ ...difference, folder: null, applied: appliedView.fingerprint }]);
    await differencesOf([appliedView]).look();
    await differencesOf([{ ...folderView, fingerprintBefore: async () => appliedView.fingerprint }]).look();
    expect(said).toHaveLength(3);
  });
});
