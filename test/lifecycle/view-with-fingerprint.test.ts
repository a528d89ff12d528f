import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type ActivityDeps, viewWithFingerprint } from '../../activities/activity-deps.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';

const NOW = 'a'.repeat(64);
const BEFORE = 'b'.repeat(64);
const NEVER_BUILT = 'c'.repeat(64);
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let deps: ActivityDeps;

beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  const view = {
    ...spendingView({ topic: 'purchases', fingerprint: NOW }),
    fingerprintBefore: async () => NEVER_BUILT,
  };
  const broker = new MemoryBroker();
  broker.createTopic('purchases', 1);
  await publishEmptyVersion(database.pool, { ...view, fingerprint: BEFORE }, broker.bounds('purchases'));
  await database.pool.query('UPDATE millrace_catalog.view_version SET semantics = $1', [ENGINE_SEMANTICS - 1]);
  deps = {
    definitions: {
      folder: '/',
      baseFolder: '/',
      views: new Map([[view.name, view]]),
      services: new Map(),
      sources: new Map(),
      labelSets: new Map(),
    },
    code: codeOf([view]),
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
});
afterAll(() => database.close());

it("gives the worker's own definition, and tells an upgrade from a change", async () => {
  const asked = { view: 'spending', semantics: 0 };
  expect(await viewWithFingerprint(deps, { ...asked, fingerprint: NOW })).toMatchObject({ fingerprint: NOW });
  // By what the catalog has, and by what the definition at hand would have been: of a version that was not built yet.
  for (const fingerprint of [BEFORE, NEVER_BUILT])
    await expect(viewWithFingerprint(deps, { ...asked, fingerprint })).rejects.toMatchObject({
      code: 'semantics-retired',
      retryable: false,
      details: { semantics: ENGINE_SEMANTICS - 1, engine: ENGINE_SEMANTICS },
    });
  await expect(viewWithFingerprint(deps, { ...asked, fingerprint: 'd'.repeat(64) })).rejects.toMatchObject({
    code: 'definition-changed',
    retryable: false,
  });
});

it('lets a worker of the release before have what a lifecycle of that release asked for', async () => {
  await expect(viewWithFingerprint(deps, { view: 'spending', fingerprint: BEFORE })).rejects.toMatchObject({
    code: 'semantics-retired',
    retryable: true,
  });
});
