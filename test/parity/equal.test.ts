import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, expect, inject, test } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { auditParity } from '../../engine/parity/audit-parity.ts';
import type { AuditProgress } from '../../engine/parity/audit-types.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { latestAudits, pruneAudits } from '../../engine/postgres/parity-audits.ts';
import { spendingView, purchaseBytes } from '../stream/stream-view.ts';
import { randomLog } from '../stream/random-log.ts';
import { openWorld, type ParityWorld, SERVED_TOPIC } from './parity-world.ts';

const DAY_US = 86_400_000_000;
const seed = Date.now() % 2 ** 31;
const compared = { cells: 0, errors: 0 };

let open: (ParityWorld & { close(): Promise<void> })[] = [];
afterEach(async () => {
  for (const world of open) await world.close();
  open = [];
});
afterAll(() => console.log(`${compared.cells} cells compared, ${compared.errors} reads with errors, seed ${seed}`));

const CUSTOMERS = ['ana', 'bo', 'c\u{1F600}', '', 'é"\\', 'nobody'].map((customer) => [customer]);

test('random logs, cut anywhere, read at any commit and time: every cell is equal, and stays so for older versions', async () => {
  const log = randomLog(160);
  const cuts = fc.array(fc.nat(160), { minLength: 1, maxLength: 4 });
  const chances = fc.record({ log, cuts, batchRecords: fc.integer({ min: 1, max: 9 }), rebuilt: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(chances, async ({ log: { partitions, steps }, cuts: at, batchRecords, rebuilt }) => {
      const view = spendingView({
        topic: 'purchases',
        source: { invalidLimit: { rate: 1, window: 1000 } },
      });
      const world = await openWorld(inject('stack').databaseUrl, { view, partitions, nowUs: 210 * DAY_US });
      open.push(world);
      const ends = [...at, steps.length].sort((a, b) => a - b);
      let done = 0;
      for (const [turn, end] of ends.entries()) {
        for (const step of steps.slice(done, end)) {
          if ('record' in step) world.append(step.partition, [step.record]);
          else world.broker.appendControl('purchases', step.partition, step.control);
        }
        done = Math.max(done, end);
        if (turn === 0) await world.backfill();
        else await world.stream({ batchRecords });
        // Far before and after, and at the edge of windows; ahead of the state as well.
        for (const atUs of [-3, 0, 1, 7.5, 200, 201].map((days) => days * DAY_US)) {
          const reads = await world.serve(CUSTOMERS, { atUs });
          compared.errors += reads.filter(({ errors }) => errors !== null).length;
        }
        await world.serve(CUSTOMERS.slice(0, 3), { features: ['last_amount', 'purchases_1d'] });
        if (rebuilt && turn === 1) await world.backfill();
      }
      const result = await world.audit();
      compared.cells += result.cellsCompared;
      expect(result).toMatchObject({ verdict: 'equal', cellsDiffering: 0, causes: {}, differences: [] });
      const undecided = Object.entries(result.skipped).filter(([reason]) => reason !== 'not-found-around-first-commit');
      expect(undecided).toEqual([]);
      expect(await world.audit({ kind: 'promotion' })).toMatchObject({
        verdict: expect.not.stringMatching('broken'),
        reads: 0,
      });
      await world.close();
      open.pop();
    }),
    { numRuns: 8, seed, endOnFailure: true },
  );
  expect(compared.cells).toBeGreaterThan(500);
}, 120_000);

async function served(options: { customers: number; reads: number }): Promise<ParityWorld> {
  const view = spendingView({ topic: 'purchases', source: { invalidLimit: { rate: 1, window: 1000 } } });
  const world = await openWorld(inject('stack').databaseUrl, { view, nowUs: 10 * DAY_US });
  open.push(world);
  for (let index = 0; index < options.customers * 3; index++) {
    const purchase = {
      id: `id-${index}`,
      at: new Date(index * 60_000).toISOString(),
      customer: `customer ${index % options.customers}`,
      amount: index,
    };
    world.append(index % 2, [{ value: purchaseBytes(purchase), timestampUs: 10 * DAY_US }]);
  }
  await world.backfill();
  for (let read = 0; read < options.reads; read++)
    await world.serve(Array.from({ length: options.customers }, (_, index) => [`customer ${index}`]));
  return world;
}

test('what retention took is replayed from the archive; without one the audit says what is gone', async () => {
  const world = await served({ customers: 5, reads: 1 });
  const archiveDir = join(world.folder, 'archive');
  await runArchive({
    source: world.view.source,
    reader: world.reader,
    pool: world.pool,
    archiveDir,
    fence: { generation: 1, attemptMs: 1, owner: 'parity-test' },
    until: 'present-end',
    clock: systemClock,
  });
  const before = await world.audit();
  for (const partition of [0, 1]) world.broker.deleteBefore('purchases', partition, 5);
  await expect(world.audit()).rejects.toMatchObject({ code: 'offsets-gone' });
  const reader = withArchive(world.reader, { pool: world.pool, archiveDir, duckdbTempDir: world.folder });
  for (const kind of ['audit', 'promotion'] as const)
    expect(await world.audit({ reader, archiveDir, kind })).toMatchObject({
      verdict: 'equal',
      entities: before.entities,
    });
  // What was superseded cannot be replayed any more where nothing was archived: its reads are counted.
  await world.backfill();
  expect(await world.audit()).toMatchObject({ verdict: 'equal', skipped: { 'offsets-gone': 5 } });
});

test('above the limits a stable sample is compared: all reads of its entities', async () => {
  const world = await served({ customers: 200, reads: 3 });
  const first = await world.audit({ limits: { reads: 120, entities: 50 } });
  expect(first.verdict).toBe('equal');
  expect(first.reads % 3).toBe(0);
  expect(first.reads).toBeGreaterThan(20);
  expect(first.reads).toBeLessThanOrEqual(120);
  expect(first.skipped).toEqual({ 'beyond-the-sample': 600 - first.reads });
  const second = await world.audit({ limits: { reads: 120, entities: 50 } });
  expect(second).toMatchObject({ reads: first.reads, entities: first.entities, cellsCompared: first.cellsCompared });
  // A row that is gone is noticed if and only if its entity is in the sample: the sample is the same in Postgres and here.
  await world.pool.query(`DELETE FROM ${await world.stateTable()}`);
  const gone = await world.audit({ kind: 'promotion', limits: { entities: 50 } });
  expect(gone).toMatchObject({ verdict: 'broken', entities: 200 });
  const progress: AuditProgress[] = [];
  await world.audit({ limits: { reads: 10 }, onProgress: (now) => progress.push(now) });
  expect(new Set(progress.map(({ phase }) => phase))).toEqual(
    new Set(['served-reads', 'snapshot', 'replay', 'diagnosis']),
  );
});

test('reads that no replay can be held to are counted by reason', async () => {
  const world = await served({ customers: 2, reads: 1 });
  const keys = [['customer 0']];
  await world.serve(keys, { change: (read) => ({ ...read, version: 99 }) });
  await world.serve(keys, { change: (read) => ({ ...read, seq: 7 }) });
  await world.serve(keys, { change: (read) => ({ ...read, values: [1, 2, 'three'] }) });
  world.broker.append(SERVED_TOPIC, 0, [{ value: Buffer.from('{"read_id":1}'), timestampUs: 0 }]);
  const table = 'millrace_catalog.view_version';
  await world.pool.query(
    `INSERT INTO ${table} (view, version, fingerprint, layout, layout_tag, semantics, status, state_table, source)
     SELECT view, 50, 'of-another-definition', layout, layout_tag, semantics, 'superseded', 'elsewhere', source FROM ${table} WHERE version = 1`,
  );
  await world.serve(keys, { change: (read) => ({ ...read, version: 50, fingerprint: 'of-another-definition' }) });
  const result = await world.audit();
  expect(result).toMatchObject({ verdict: 'equal', reads: 2 });
  expect(result.skipped).toEqual({
    'lost-commit': 2,
    unreadable: 1,
    'invalid-record': 1,
    'other-definition': 1,
  });
});

test('an audit refuses what it cannot prove anything of, and says that nothing was compared where there was nothing', async () => {
  const view = spendingView({ topic: 'purchases' });
  const world = await openWorld(inject('stack').databaseUrl, { view, nowUs: 10 * DAY_US });
  open.push(world);
  await expect(world.audit()).rejects.toMatchObject({ code: 'unknown-view' });
  await world.backfill();
  expect(await world.audit()).toMatchObject({ verdict: 'nothing-compared', cellsCompared: 0 });
  // Where nothing was ever logged there is no topic.
  expect(await world.audit({ servedTopic: 'no.such.topic' })).toMatchObject({ verdict: 'nothing-compared' });
  await expect(world.audit({ reader: null })).rejects.toMatchObject({ code: 'kafka-not-configured' });
  const changed = spendingView({ topic: 'purchases', fingerprint: 'b'.repeat(64) });
  await expect(world.audit({ code: codeOf([changed]) })).rejects.toMatchObject({ code: 'definition-changed' });
  world.append(0, [{ value: purchaseBytes({ id: 'a', at: '1970-01-02T00:00:00Z', customer: 'ana', amount: 1 }) }]);
  await world.stream();
  await world.pool.query('DELETE FROM millrace_catalog.commit_record');
  await expect(world.audit()).rejects.toMatchObject({ code: 'commits-missing' });
  const aborted = AbortSignal.abort(new Error('enough'));
  await expect(auditParity({ ...base(world), signal: aborted })).rejects.toThrow();
  expect(await latestAudits(world.pool)).toMatchObject([{ view: 'spending', verdict: 'nothing-compared' }]);
});

test('what earlier semantics built is counted, and no difference: as what is served, and as what was', async () => {
  const world = await served({ customers: 5, reads: 3 });
  await world.corruptState('customer 1', (state) => {
    state.newestEventTimeUs += 1;
  });
  const broken = await world.audit();
  expect(broken).toMatchObject({ verdict: 'broken' });
  expect(broken.lastProof).toBeUndefined();
  const { finishedAtUs } = (await latestAudits(world.pool))[0]!;
  const lastProof = `its last proof, of ${formatDateTime(finishedAtUs)}, was broken: ${broken.cellsDiffering} of ${broken.cellsCompared} cells differed`;
  await world.upgradeEngine();
  const nothing = { verdict: 'nothing-compared', cellsCompared: 0, cellsDiffering: 0, differences: [] };
  // 15 reads and 5 states.
  expect(await world.audit()).toMatchObject({ ...nothing, skipped: { 'semantics-retired': 20 }, lastProof });
  // Audits on a schedule go on comparing nothing, and do not push it out.
  const { pool } = world;
  await withTransaction(pool, (client) => pruneAudits(client, 'spending', 1));
  expect((await pool.query('SELECT verdict FROM millrace_catalog.parity_audit ORDER BY id')).rows).toEqual([
    { verdict: 'broken' },
    { verdict: 'nothing-compared' },
  ]);
  expect(await world.audit({ limits: { reads: 1, entities: 2 } })).toMatchObject({
    ...nothing,
    skipped: { 'semantics-retired': 17 },
    lastProof,
  });
  expect(await world.audit({ kind: 'promotion' })).toMatchObject({ ...nothing, skipped: { 'semantics-retired': 5 } });
  expect(await world.audit({ limits: { entities: 0 }, servedTopic: null })).toMatchObject({ ...nothing, skipped: {} });

  const version = await world.backfill();
  await world.serve([['customer 1']]);
  const after = await world.audit();
  expect(after).toMatchObject({ version, verdict: 'equal', reads: 1, skipped: { 'semantics-retired': 15 } });
  expect(await latestAudits(world.pool)).toMatchObject([{ auditId: after.auditId, verdict: 'equal' }]);
});

function base(world: ParityWorld) {
  return {
    view: world.view.name,
    code: codeOf([world.view]),
    pool: world.pool,
    reader: world.reader,
    archiveDir: null,
    servedTopic: null,
    kind: 'promotion' as const,
    spillDir: world.folder,
    clock: world.clock,
  };
}
