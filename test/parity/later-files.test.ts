import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { listingOf } from '../../engine/history/history-listing.ts';
import { auditParity } from '../../engine/parity/audit-parity.ts';
import type { AuditResult } from '../../engine/parity/audit-types.ts';
import { viewVersion, type ViewVersion } from '../../engine/postgres/view-versions.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { exportSpine, openWorld, publish, type ServedWorld, stream } from '../as-served/served-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
  world.broker.createTopic('purchases', 1);
});
afterAll(() => world.close());

const purchase = (id: string, customer: string, amount: number) => ({
  id,
  at: `2001-01-01T00:00:0${amount % 10}Z`,
  customer,
  amount,
});

async function write(base: string, name: string, rows: readonly ReturnType<typeof purchase>[]): Promise<void> {
  const path = join(base, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** The view as a project in a folder defines it. */
function viewIn(base: string): CompiledView {
  const history = { path: join(base, 'data/**/*.jsonl'), untilUs: null, disjoint: true };
  return spendingView({ topic: 'purchases', source: { history } });
}

function audit(view: CompiledView, kind: 'audit' | 'promotion'): Promise<AuditResult> {
  const { pool, reader, folder } = world;
  const options = { archiveDir: null, servedTopic: null, spillDir: join(folder, 'spill'), clock: systemClock };
  return auditParity({
    view: view.name,
    code: codeOf([view]),
    pool,
    reader,
    kind,
    limits: { entities: 100 },
    ...options,
  });
}

async function expectEqual(view: CompiledView, version: number): Promise<void> {
  for (const kind of ['audit', 'promotion'] as const)
    expect(await audit(view, kind)).toMatchObject({ verdict: 'equal', version, cellsDiffering: 0 });
}

interface Exported {
  readonly manifest: TrainingManifest;
  readonly bytes: Buffer;
}

const labels: { customer: string; event_timestamp: string }[] = [];

async function exported(view: CompiledView, more: Partial<TrainingOptions>): Promise<Exported> {
  const { manifest, out } = await exportSpine(world, [view], 'set', labels, more);
  // What is repeated is read from the file of then.
  return { manifest: JSON.parse(JSON.stringify(manifest)) as TrainingManifest, bytes: await readFile(out) };
}

async function stored(version: number): Promise<ViewVersion> {
  return (await viewVersion(world.pool, 'spending', version))!;
}

async function namesIn(version: number): Promise<(string | undefined)[]> {
  const { history } = await stored(version);
  for (const { sha256 } of history!.files) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  return history!.files.map(({ name }) => name);
}

test('a version is replayed from the files it names, wherever they lie and whatever came since; the next takes those', async () => {
  const first = join(world.folder, 'first');
  await write(first, 'data/2001/b.jsonl', [purchase('b1', 'bo', 1), purchase('b2', 'ana', 2)]);
  await write(first, 'data/c.jsonl', [purchase('c1', 'ana', 3)]);
  const version = await publish(world, viewIn(first));
  world.broker.append('purchases', 0, [
    { value: purchaseBytes(purchase('t1', 'bo', 4)), timestampUs: systemClock.nowUs() },
    // A repeat of what the history has.
    { value: purchaseBytes(purchase('c1', 'ana', 3)), timestampUs: systemClock.nowUs() },
  ]);
  await stream(world, viewIn(first), version, 1);
  await expectEqual(viewIn(first), version);
  expect(await namesIn(version)).toEqual(['2001/b.jsonl', 'c.jsonl']);
  labels.push(
    ...['ana', 'bo', 'new'].map((customer) => ({ customer, event_timestamp: new Date(Date.now()).toISOString() })),
  );
  const timed = await exported(viewIn(first), { mode: 'event-time' });
  const served = await exported(viewIn(first), { mode: 'as-served' });
  expect(timed.manifest.views[0]!.features[2]).toMatchObject({ name: 'last_amount', nulls: 1 });
  expect(served.manifest.views[0]!.features[2]).toMatchObject({ name: 'last_amount', nulls: 1 });

  const moved = join(world.folder, 'moved', 'project (copy)');
  await cp(first, moved, { recursive: true });
  await rm(first, { recursive: true });
  const view = viewIn(moved);
  const expectAsBefore = async (): Promise<void> => {
    for (const { manifest, bytes } of [timed, served]) {
      const again = await exported(view, { mode: manifest.mode, repeatOf: manifest });
      expect(again.bytes.equals(bytes)).toBe(true);
    }
  };
  await expectEqual(view, version);
  await expectAsBefore();

  // In front of all others: no position of theirs may move.
  await write(moved, 'data/2001/a.jsonl', [purchase('a1', 'new', 9)]);
  await expectEqual(view, version);
  await expectAsBefore();
  const present = await exported(view, { mode: 'event-time', compare: true });
  expect(present.bytes.equals(timed.bytes)).toBe(true);
  expect(present.manifest).toMatchObject({ sources: [{ filesLeftOut: 1 }], comparison: { labelsDiffering: 0 } });

  const next = await publish(world, view);
  expect(await namesIn(next)).toEqual(['2001/a.jsonl', '2001/b.jsonl', 'c.jsonl']);
  await expectEqual(view, next);
  await expectAsBefore();
  const newer = await exported(view, { mode: 'event-time' });
  expect(newer.manifest.views[0]!.features[2]).toMatchObject({ name: 'last_amount', nulls: 0 });
  expect(newer.manifest.sources[0]).not.toHaveProperty('filesLeftOut');
  // Another definition is not what is served: it reads what its own version would.
  await write(moved, 'data/d.jsonl', [purchase('d1', 'new', 8)]);
  const edited = await exported({ ...view, fingerprint: 'e'.repeat(64) }, { mode: 'event-time' });
  expect(edited.manifest.sources[0]!.history).toHaveLength(4);
});

test('a version of before names and hashes is found by its names and sizes, and learns the rest from an audit that finds it equal', async () => {
  const base = join(world.folder, 'former');
  await write(base, 'data/2001/b.jsonl', [purchase('b1', 'bo', 1), purchase('b2', 'ana', 2)]);
  await write(base, 'data/c.jsonl', [purchase('c1', 'ana', 3)]);
  const version = await publish(world, viewIn(base));
  const made = await exported(viewIn(base), { mode: 'event-time' });
  const before = (await stored(version)).history!.files.map(({ path, sizeBytes, rows }) => ({ path, sizeBytes, rows }));
  await world.pool.query('UPDATE millrace_catalog.view_version SET history = $2 WHERE version = $1', [
    version,
    JSON.stringify({ files: before }),
  ]);
  // As a release before left it: its listing is that of names and sizes.
  const former = listingOf('purchases', [
    { name: '2001/b.jsonl', sizeBytes: before[0]!.sizeBytes },
    { name: 'c.jsonl', sizeBytes: before[1]!.sizeBytes },
  ]);
  const firstReadAtUs = Date.parse('2020-01-01T00:00:00Z') * 1000;
  await world.pool.query('DELETE FROM millrace_catalog.history_listing');
  await world.pool.query(`INSERT INTO millrace_catalog.history_listing VALUES ('purchases', $1, $2, 2, 1)`, [
    former.digest,
    firstReadAtUs,
  ]);
  const moved = join(world.folder, 'former-moved');
  await cp(base, moved, { recursive: true });
  await rm(base, { recursive: true });
  await write(moved, 'data/2001/a.jsonl', [purchase('a1', 'new', 9)]);
  const view = viewIn(moved);
  // Of as many bytes, and one row fewer.
  const path = join(moved, 'data/c.jsonl');
  const held = await readFile(path);
  await writeFile(path, Buffer.concat([Buffer.alloc(held.length - 1, ' '), Buffer.from('\n')]));
  await expect(audit(view, 'audit')).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/c\.jsonl had 1 rows and has 0$/),
  });
  expect((await stored(version)).history!.files).toEqual(before);
  await writeFile(path, held);
  await expectEqual(view, version);
  expect(await namesIn(version)).toEqual(['2001/b.jsonl', 'c.jsonl']);
  await expectEqual(view, version);
  // Event times are held against the bound that they always were.
  const { rows } = await world.pool.query(
    'SELECT files, first_read_at_us FROM millrace_catalog.history_listing WHERE digest <> $1',
    [former.digest],
  );
  expect(rows).toEqual([{ files: 2, first_read_at_us: firstReadAtUs }]);
  const sources = made.manifest.sources.map((source) => ({ ...source, history: before }));
  const again = await exported(view, { mode: 'event-time', repeatOf: { ...made.manifest, sources } });
  expect(again.bytes.equals(made.bytes)).toBe(true);

  await writeFile(path, held.toString().replace('"amount":3', '"amount":4'));
  const changed = {
    code: 'history-changed',
    message: expect.stringMatching(/data\/c\.jsonl had sha256 \w+ and has \w+$/),
  };
  for (const kind of ['audit', 'promotion'] as const) await expect(audit(view, kind)).rejects.toMatchObject(changed);
  await expect(exported(view, { mode: 'event-time' })).rejects.toMatchObject(changed);
  await expect(exported(view, { mode: 'event-time', repeatOf: made.manifest })).rejects.toMatchObject(changed);
  await expect(exported(view, { mode: 'as-served' })).rejects.toMatchObject(changed);
  await rm(path);
  await expect(audit(view, 'audit')).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/version \d+ of view "spending" .*c\.jsonl is gone: expected at .*former-moved/),
  });
});
