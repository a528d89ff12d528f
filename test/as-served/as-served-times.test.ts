import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { type Cell, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { expectedCell, readParquet } from '../training/training-fixture.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { type LogStep, randomLog } from '../stream/random-log.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import {
  exportSpine,
  HOUR,
  isoOf,
  openWorld,
  publish,
  retime,
  type ServedWorld,
  type States,
  storedStates,
  stream,
} from './served-fixture.ts';
import { blockOf } from '../../engine/define/service-blocks.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

const seed = Date.now() % 2 ** 31;

/** One version as it was served: the states after each commit, and from when on readers had them. */
interface Served {
  readonly version: number;
  readonly fromUs: number;
  readonly untilUs: number;
  readonly commits: { readonly atUs: number; readonly states: States }[];
}

/** What readers got at a time, from the rows that stood in the table then; null: nothing was served. */
function servedAt(view: CompiledView, served: readonly Served[], customer: string, timeUs: number): Cell[] | null {
  const version = served.find(({ fromUs, untilUs }) => timeUs >= fromUs && timeUs < untilUs);
  if (version === undefined) return null;
  const states = version.commits.filter(({ atUs }) => atUs <= timeUs).at(-1)!.states;
  const reducer = createViewReducer(view.layout);
  const bytes = states.get(customer);
  return reducer.read(bytes === undefined ? reducer.empty() : reducer.decode(bytes), timeUs);
}

function named(name: string, view: CompiledView): CompiledView {
  return { ...view, name, layout: { ...view.layout, view: name } };
}

function append(steps: readonly LogStep[], topic: string): void {
  for (const step of steps) {
    if ('control' in step) world.broker.appendControl(topic, step.partition, step.control);
    else world.broker.append(topic, step.partition, [step.record]);
  }
}

/** The view itself before its role, as the service has them. */
const byBlock = (a: string, b: string): number => Number(a.startsWith('giver__')) - Number(b.startsWith('giver__'));

test(`every label reads what stood in the table then, whatever the log, in one pass or many (seed ${seed})`, async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      randomLog(60),
      fc.option(randomLog(20), { freq: 2 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 2 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 80, maxLength: 80 }),
      fc.array(
        fc.record({
          customer: fc.constantFrom('ana', 'bo', 'c\u{1F600}', '', 'nobody'),
          giver: fc.constantFrom('ana', 'bo', 'c\u{1F600}', '', 'nobody'),
          // Half of them at the very time of a commit, or a microsecond off.
          commit: fc.option(fc.nat(), { freq: 2 }),
          hour: fc.integer({ min: -20, max: 60 }),
          off: fc.constantFrom(0, 0, 1, -1),
        }),
        { minLength: 10, maxLength: 40 },
      ),
      async (log, past, shares, batchRecords, gaps, labels) => {
        const topic = `purchases-${++runs}`;
        const path = join(world.folder, `past-${runs}.jsonl`);
        const lines = (past?.steps ?? []).flatMap((step) =>
          'record' in step && step.record.value !== null && step.record.value.length > 0
            ? [Buffer.from(step.record.value).toString()]
            : [],
        );
        if (lines.length > 0) await writeFile(path, `${lines.join('\n')}\n`);
        const view = named(
          `spending_${runs}`,
          spendingView({
            topic,
            source: {
              history: lines.length === 0 ? null : { path, untilUs: null, disjoint: true },
              invalidLimit: { rate: 1, window: 1000 },
            },
          }),
        );
        world.broker.createTopic(topic, log.partitions);
        // Around the log's own times, with gaps that tie now and then.
        const first = log.steps.find((step) => 'record' in step);
        const startUs = first === undefined ? 0 : first.record.timestampUs! - 48 * HOUR;
        let clockUs = startUs;
        let gap = 0;
        const tick = (): number => (clockUs += gaps[gap++ % gaps.length]! * HOUR);
        const cuts = shares.map((share) => Math.round(share * log.steps.length)).sort((a, b) => a - b);
        const served: Served[] = [];
        let from = 0;
        for (const until of [...cuts, log.steps.length]) {
          append(log.steps.slice(from, until), topic);
          from = until;
          if (served.length === 2) break;
          const version = await publish(world, view);
          const commits = [
            { atUs: Number.NEGATIVE_INFINITY, states: (await storedStates(world, view, version)).states },
          ];
          const more = log.steps.slice(from, cuts[served.length + 1] ?? log.steps.length);
          append(more, topic);
          from += more.length;
          const seqs: number[] = [];
          await stream(world, view, version, batchRecords, async () => {
            const { seq, states } = await storedStates(world, view, version);
            seqs.push(seq);
            commits.push({ atUs: 0, states });
          });
          expect(seqs).toEqual(seqs.map((_, index) => index + 1));
          const fromUs = served.length === 0 ? clockUs : (clockUs += HOUR);
          for (let index = 1; index < commits.length; index++) commits[index] = { ...commits[index]!, atUs: tick() };
          clockUs += HOUR;
          served.push({ version, fromUs, untilUs: clockUs, commits });
        }
        for (const { version, fromUs, untilUs, commits } of served) {
          const commitsUs = commits.slice(1).map(({ atUs }) => atUs);
          await retime(world, view, version, { publishedUs: fromUs, endedUs: untilUs, commitsUs });
        }

        const commitsUs = served.flatMap(({ commits }) => commits.slice(1).map(({ atUs }) => atUs));
        const times = labels.map(({ commit, hour, off }) =>
          commit === null || commitsUs.length === 0
            ? startUs + hour * HOUR + off
            : commitsUs[commit % commitsUs.length]! + off,
        );
        const spine = labels.map(({ customer, giver }, n) => ({
          n,
          customer,
          giver,
          event_timestamp: isoOf(times[n]!),
        }));
        const blocks = [blockOf(view), blockOf(view, 'giver', { customer: 'giver' })];
        const service = { name: 'model', blocks };
        const asNull = { onError: 'null', service } as const;
        const { manifest, out } = await exportSpine(world, [view], 'random', spine, asNull);
        const set = await readParquet(out);
        const differences: unknown[] = [];
        const tooLarge = new Map<string, number>();
        let notServed = 0;
        for (const [n, row] of set.rows.entries()) {
          const { customer, giver } = labels[n]!;
          const timeUs = times[n]!;
          expect([Number(row['n']), row['customer'], row['event_timestamp']]).toEqual([n, customer, timeUs]);
          if (servedAt(view, served, customer, timeUs) === null) notServed++;
          for (const [block, { name: prefix }] of blocks.entries()) {
            const entity = block === 0 ? customer : giver;
            const values = servedAt(view, served, entity, timeUs);
            for (const [index, { name, result }] of view.layout.features.entries()) {
              const column = `${prefix}__${name}`;
              const cell = row[column];
              const expected = values === null ? null : expectedCell(result, values[index]!);
              if (!Object.is(cell, expected)) differences.push({ n, entity, timeUs, column, cell, expected });
              if (values?.[index] === VALUE_OUT_OF_RANGE) tooLarge.set(column, (tooLarge.get(column) ?? 0) + 1);
            }
          }
        }
        expect(differences).toEqual([]);
        for (const { column, errors } of manifest.views.flatMap(({ features }) => features))
          expect(errors).toEqual(tooLarge.has(column) ? { 'value-out-of-range': tooLarge.get(column) } : {});
        if (tooLarge.size > 0)
          await expect(exportSpine(world, [view], 'fails', spine, { service })).rejects.toMatchObject({
            code: 'value-out-of-range',
            details: {
              errors: [...tooLarge.keys()].sort(byBlock).map((column) => ({
                view: view.name,
                ...(column.startsWith('giver__') ? { role: 'giver' } : {}),
                feature: 'spent_7d',
                rows: tooLarge.get(column),
              })),
            },
          });
        for (const read of manifest.views) expect(read.served!.rowsNotServed).toBe(notServed);

        // Passes under a small budget, and from the manifest: the same bytes.
        const bytes = await readFile(out);
        const inPasses = await exportSpine(world, [view], 'random', spine, {
          service,
          statesMb: 0.0005,
          repeatOf: manifest,
        });
        expect(inPasses.manifest).toEqual(manifest);
        expect(bytes.equals(await readFile(out))).toBe(true);

        // Whatever differs from the values by event time has a cause.
        const compared = await exportSpine(world, [view], 'both', spine, { ...asNull, compare: true });
        expect(compared.manifest.sha256).toBe(manifest.sha256);
        const eventTime = await exportSpine(world, [view], 'known', spine, { ...asNull, mode: 'event-time' });
        const known = await readParquet(eventTime.out);
        for (const [index, { column, differing, kinds, split }] of compared.manifest.comparison!.features.entries()) {
          const counted = set.rows.filter((row, n) => !Object.is(row[column], known.rows[n]![column])).length;
          const errors = [manifest, eventTime.manifest].flatMap(({ views }) =>
            Object.keys(views.flatMap(({ features }) => features)[index]!.errors!),
          );
          // Nulls for an error and for nothing look alike in the file, and differ.
          if (errors.length > 0) expect(differing).toBeGreaterThanOrEqual(counted);
          else expect(differing).toBe(counted);
          expect(Object.values(split).reduce((sum, count) => sum + count, 0)).toBe(differing);
          expect(split.other).toBe(0);
          expect(Object.values(kinds).every((count) => count <= differing)).toBe(true);
        }
      },
    ),
    { numRuns: 8, seed, endOnFailure: true },
  );
}, 120_000);

test('what cannot be replayed is refused by name', async () => {
  const folder = join(world.folder, 'refused');
  await mkdir(folder);
  world.broker.createTopic('refused', 1);
  const record = (id: string) => ({
    value: purchaseBytes({ id, at: '2001-01-01T00:00:00Z', customer: 'ana', amount: 1 }),
    timestampUs: 1e15,
  });
  const refused = named('refused', spendingView({ topic: 'refused' }));
  const at = Date.UTC(2001, 0, 1) * 1000;
  const spine = [{ customer: 'ana', event_timestamp: isoOf(at) }];
  const exported = (more: object = {}, used = refused) => exportSpine(world, [used], 'refused', spine, more);

  await expect(exported()).rejects.toMatchObject({ code: 'view-not-published' });
  await expect(exported({ pool: undefined })).rejects.toMatchObject({ code: 'database-missing' });
  await expect(exported({ mode: 'guessed' })).rejects.toMatchObject({ code: 'unknown-mode' });

  world.broker.append('refused', 0, [record('a')]);
  const version = await publish(world, refused);
  world.broker.append('refused', 0, [record('b')]);
  await stream(world, refused, version, 1);
  await retime(world, refused, version, { publishedUs: at - 1, endedUs: null, commitsUs: [at] });
  const { manifest } = await exported();
  expect(manifest.views[0]!.served!.versions).toMatchObject([{ version, untilSeq: 1, rows: 1 }]);

  // Another definition now: what the one of then served cannot be told by it.
  await expect(exported({}, { ...refused, fingerprint: 'e'.repeat(64) })).rejects.toMatchObject({
    code: 'definition-changed',
    message: expect.stringMatching(
      /version 1 of view "refused" \(served from 2000-12-31T23:59:59\.999999Z to .*, 1 label rows\) was made by definition ffffffffffff, the present one is eeeeeeeeeeee/,
    ),
    remedy: expect.stringMatching(/requestColumn/),
  });
  // The same definition by later semantics of the engine.
  await world.pool.query(`UPDATE millrace_catalog.view_version SET semantics = semantics - 1 WHERE view = 'refused'`);
  await expect(exported({}, { ...refused, fingerprint: 'e'.repeat(64) })).rejects.toMatchObject({
    code: 'semantics-retired',
    message: expect.stringMatching(
      /version 1 of view "refused" \(served .*, 1 label rows\) was made by semantics \d+ of the engine, the present ones are \d+; it was never proven$/,
    ),
    remedy: expect.stringMatching(/requestColumn/),
  });
  await world.pool.query(`UPDATE millrace_catalog.view_version SET semantics = semantics + 1 WHERE view = 'refused'`);
  await expect(exported({ repeatOf: manifest, mode: 'event-time' })).rejects.toMatchObject({
    code: 'training-set-changed',
  });
  // One commit by other code.
  await world.pool.query(`UPDATE millrace_catalog.commit_record SET fingerprint = 'other-code' WHERE view = 'refused'`);
  await expect(exported()).rejects.toMatchObject({
    code: 'definition-changed',
    message: expect.stringMatching(/from its commit 1 on/),
  });
  await world.pool.query(`DELETE FROM millrace_catalog.commit_record WHERE view = 'refused'`);
  await expect(exported()).rejects.toMatchObject({ code: 'commits-missing' });
  await rm(folder, { recursive: true });
});

test('labels of a time without the view are null, never a made-up 0: before, after it was retired, and in the future', async () => {
  world.broker.createTopic('retired', 1);
  const view = named('retired', spendingView({ topic: 'retired' }));
  const version = await publish(world, view);
  const at = Date.UTC(2001, 0, 1) * 1000;
  await retime(world, view, version, { publishedUs: at, endedUs: at + HOUR, commitsUs: [] });
  const times = [at - 1, at, at + HOUR - 1, at + HOUR, Date.UTC(2100, 0, 1) * 1000];
  const spine = times.map((time) => ({ customer: 'ana', event_timestamp: isoOf(time) }));
  const { manifest, out } = await exportSpine(world, [view], 'retired', spine);
  const { rows } = await readParquet(out);
  expect(rows.map((row) => row['retired__purchases_1d'])).toEqual([null, 0n, 0n, null, null]);
  expect(manifest.views[0]!.served).toMatchObject({ rowsNotServed: 3, versions: [{ rows: 2 }] });
  // Served still: the present is known, the future is not.
  await retime(world, view, version, { publishedUs: at, endedUs: null, commitsUs: [] });
  const live = await readParquet((await exportSpine(world, [view], 'retired', spine)).out);
  expect(live.rows.map((row) => row['retired__purchases_1d'])).toEqual([null, 0n, 0n, 0n, null]);
});

test('an abort while commits are read leaves nothing behind; progress names every phase and comes to 100 percent', async () => {
  world.broker.createTopic('aborted', 2);
  const view = named('aborted', spendingView({ topic: 'aborted' }));
  const version = await publish(world, view);
  const at = Date.UTC(2001, 0, 1) * 1000;
  for (let id = 0; id < 40; id++) {
    const value = purchaseBytes({ id: `${id}`, at: isoOf(at), customer: 'ana', amount: id });
    world.broker.append('aborted', id % 2, [{ value, timestampUs: at }]);
  }
  await stream(world, view, version, 10);
  await retime(world, view, version, { publishedUs: at, endedUs: null, commitsUs: [at + 1, at + 2, at + 3, at + 4] });
  const spine = [{ customer: 'ana', event_timestamp: isoOf(at + HOUR) }];
  const { out, manifest } = await exportSpine(world, [view], 'aborted', spine);
  await rm(out);
  await rm(`${out}.manifest.json`);
  const before = (await readdir(world.folder)).sort();
  for (const phase of ['cut', 'sweep', 'compare', 'write']) {
    const abort = new AbortController();
    const onProgress = (progress: { phase: string }): void => {
      if (progress.phase === phase) abort.abort(new Error('enough'));
    };
    const exported = exportSpine(world, [view], 'aborted', spine, { compare: true, onProgress, signal: abort.signal });
    await expect(exported).rejects.toThrow('enough');
    expect((await readdir(world.folder)).sort()).toEqual(before);
  }
  const phases = new Set<string>();
  const percents: number[] = [];
  const done = await exportSpine(world, [view], 'aborted', spine, {
    onProgress: ({ phase, percent }) => {
      phases.add(phase);
      percents.push(percent);
    },
  });
  expect([...phases]).toEqual(['spine', 'cut', 'sweep', 'write']);
  expect(percents).toEqual([...percents].sort((a, b) => a - b));
  expect(percents.at(-1)).toBe(100);
  expect(done.manifest.sha256).toBe(manifest.sha256);
});

test('labels are replayed from the archive where the topic no longer has them, and refused by name without it', async () => {
  world.broker.createTopic('archived', 2);
  const view = named('archived', spendingView({ topic: 'archived' }));
  const at = Date.UTC(2001, 0, 1) * 1000;
  const append = (from: number, until: number): void => {
    for (let id = from; id < until; id++) {
      const value = purchaseBytes({ id: `${id}`, at: isoOf(at + id), customer: 'ana', amount: id });
      world.broker.append('archived', id % 2, [{ value, timestampUs: at }]);
    }
  };
  append(0, 10);
  const version = await publish(world, view);
  append(10, 40);
  await stream(world, view, version, 10);
  await retime(world, view, version, {
    publishedUs: at,
    endedUs: null,
    commitsUs: [1, 2, 3].map((hour) => at + hour * HOUR),
  });
  const spine = [0, 1, 2, 3].map((hour) => ({ customer: 'ana', event_timestamp: isoOf(at + hour * HOUR) }));
  const { manifest } = await exportSpine(world, [view], 'archived', spine, { compare: true });
  const archiveDir = join(world.folder, 'archive');
  await runArchive({
    source: view.source,
    reader: world.reader,
    pool: world.pool,
    archiveDir,
    fence: { generation: 1, attemptMs: 1, owner: 'test' },
    until: 'present-end',
    clock: testClock,
  });
  world.broker.deleteBefore('archived', 0, 15);
  world.broker.deleteBefore('archived', 1, 12);
  await expect(exportSpine(world, [view], 'archived', spine)).rejects.toMatchObject({
    code: 'offsets-gone',
    message: expect.stringMatching(/version 1 of view "archived" cannot be replayed/),
  });
  const reader = withArchive(world.reader, { pool: world.pool, archiveDir, duckdbTempDir: world.folder });
  const replayed = await exportSpine(world, [view], 'archived', spine, { reader, archiveDir, compare: true });
  expect(replayed.manifest.sha256).toBe(manifest.sha256);
  expect(replayed.manifest.comparison).toEqual(manifest.comparison);
});
