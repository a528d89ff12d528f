import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { copyRetagged } from '../../engine/postgres/copy-states.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { versions, viewVersion } from '../../engine/postgres/view-versions.ts';
import { layoutTag } from '../../engine/state/layout-tag.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { purchaseBytes } from '../stream/stream-view.ts';
import { expectNothingSaved } from './build-facts.ts';
import { jsonl, purchases } from './resume-fixture.ts';
import { build, changedFeatures, livingFacts, purchasesView, tagged } from './states-of-another.ts';

const DAY_US = 86_400_000_000;
const changed = changedFeatures(purchasesView());

let world: ParityWorld & { close(): Promise<void> };
let bought = 0;
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, { view: purchasesView(), nowUs: 20 * DAY_US });
  bought = 0;
  buy(200);
  await world.backfill();
  buy(300);
  await world.stream();
});
afterEach(() => world.close());

function buy(count: number): void {
  for (const end = bought + count; bought < end; bought++) {
    const at = new Date(bought * 60_000).toISOString();
    const value = purchaseBytes({ id: `p-${bought}`, at, customer: `c${bought % 31}`, amount: (bought * 7) % 90 });
    world.append(bought % 2, [{ value, timestampUs: bought * 60_000_000 }]);
  }
}

const common = (): Parameters<typeof build>[0] => {
  const { pool, reader, folder: spillDir, clock } = world;
  return { view: changed, pool, reader, spillDir, clock, mayTakeStates: true };
};

describe('a version made of the live one’s states', () => {
  it('is of one instant, between two commits of the stream that goes on meanwhile, and loses nothing', async () => {
    const { pool, reader, clock } = world;
    buy(2000);
    const streaming = runStream({
      view: world.view,
      version: 1,
      pool,
      reader,
      fence: { generation: 2, attemptMs: 1, owner: 'meanwhile' },
      until: 'present-end',
      clock,
      limits: { batchRecords: 7, maxBatchRecords: 7 },
    });
    const made: number[] = [];
    // Each takes the place of the one before, which nobody published.
    for (let time = 0; time < 4; time++) {
      const { version, madeFrom, cut } = await build(common());
      expect(madeFrom).toBe(1);
      made.push(cut!.partitions.reduce((sum, { endOffset }) => sum + endOffset, 0));
      const { seq } = (await viewVersion(pool, changed.name, version))!;
      expect(seq).toBe(0);
    }
    await streaming;
    expect(made.toSorted((a, b) => a - b)).toEqual(made);
    const version = (await versions(pool, changed.name)).find(({ status }) => status === 'built')!.version;
    await world.stream({ view: changed, version });
    const own = await livingFacts(pool, changed, version);
    await publishVersion({ pool, view: changed.name, version });
    const rebuilt = await build({ ...common(), mayTakeStates: false });
    const { states, letters } = await livingFacts(pool, changed, rebuilt.version);
    expect(own).toMatchObject({ states: states as string[], letters: letters as string[] });
    expect((await world.audit({ code: codeOf([world.view, changed]) })).verdict).toBe('equal');
  });

  it('stands whole or not at all: what ends it leaves nothing, and the next attempt makes it', async () => {
    const { pool } = world;
    const abort = new AbortController();
    const attempt = (attemptMs: number): ReturnType<typeof build> =>
      build({
        ...common(),
        attempt: { build: 'one', attemptMs },
        signal: attemptMs === 1 ? abort.signal : undefined,
        onProgress: ({ phase }) => {
          if (phase === 'copy') abort.abort(new Error('killed'));
        },
      });
    await expect(attempt(1)).rejects.toThrow('killed');
    const [begun] = await versions(pool, changed.name);
    expect(begun).toMatchObject({ version: 2, status: 'building', madeFrom: null });
    const { rows } = await pool.query(`SELECT FROM ${stateTable(begun!.stateTable)}`);
    expect(rows).toEqual([]);
    expect(await attempt(2)).toMatchObject({ version: 2, madeFrom: 1 });
    expect(await attempt(3)).toMatchObject({ version: 2, madeFrom: 1 });
    await expectNothingSaved(pool);
    const made = await livingFacts(pool, changed, 2);
    await publishVersion({ pool, view: changed.name, version: 2 });
    await build({ ...common(), mayTakeStates: false });
    expect(made).toEqual(await livingFacts(pool, changed, 3));
  });

  it('is built from the log where other values come in, states hold other things, or nobody knows', async () => {
    for (const view of [
      tagged(changed, 'ffffffffffffffff'),
      { ...changed, tags: { ...changed.tags!, state: '0000000000000000' } },
      { ...changed, tags: undefined },
    ])
      expect(await build({ ...common(), view })).toMatchObject({ madeFrom: null });
  });

  it('is built from the log where a rebackfill asks for that', async () => {
    expect(await build({ ...common(), mayTakeStates: undefined })).toMatchObject({ version: 2, madeFrom: null });
  });

  it('is built from the log where a state has no checksum, or is of another layout', async () => {
    const { pool } = world;
    const table = await world.stateTable();
    await pool.query(`UPDATE ${table} SET state_crc = NULL WHERE customer = 'c7'`);
    expect(await build(common())).toMatchObject({ madeFrom: null, entities: 31 });
    const { stateTable: other } = (await viewVersion(pool, changed.name, 1))!;
    const from = { table: other, layoutTag: layoutTag(changed.layout) };
    const copied = withTransaction(pool, (client) =>
      copyRetagged(client, changed.layout, { from, to: { table: 'nowhere', layoutTag: 1 } }, () => {}),
    );
    expect(await copied).toBeNull();
  });

  it('takes damage over as damage: no checksum is made right', async () => {
    const { pool } = world;
    await world.corrupt('c7', (bytes) => Buffer.from(bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte))), false);
    expect(await build(common())).toMatchObject({ madeFrom: 1 });
    await publishVersion({ pool, view: changed.name, version: 2 });
    const [read, other] = await world.serve([['c7'], ['c8']]);
    expect(Object.values(read!.errors ?? {})).toContain('state-corrupt');
    expect(other!.errors).toBeNull();
  });

  it('is built from the log of now where the topic is not the one that was read', async () => {
    world.broker.createTopic('purchases', 2);
    bought = 0;
    buy(40);
    expect(await build(common())).toMatchObject({ madeFrom: null, rows: 40 });
    world.broker.clusterId = 'another';
    expect(await build(common())).toMatchObject({ madeFrom: null });
  });
});

it('takes files in that were added since by building from them, and no others', async () => {
  const rows = purchases(900);
  const path = await jsonl(world.folder, rows.slice(0, 400), rows.slice(400, 600));
  const source = { history: { path, untilUs: null, disjoint: true }, invalidLimit: { rate: 1, window: 1000 } };
  const files = purchasesView({ topic: null, source });
  const after = changedFeatures(files);
  const options = { ...common(), reader: null };
  const first = await build({ ...options, view: files, mayTakeStates: false });
  await publishVersion({ pool: world.pool, view: files.name, version: first.version });
  const made = await build({ ...options, view: after });
  expect(made).toMatchObject({ madeFrom: first.version, rows: 600 });
  const own = await livingFacts(world.pool, after, made.version);
  const rebuilt = await build({ ...options, view: after, mayTakeStates: false });
  expect(own).toEqual(await livingFacts(world.pool, after, rebuilt.version));
  await writeFile(
    path.replace('*', 'part-2'),
    rows
      .slice(600)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  expect(await build({ ...options, view: after })).toMatchObject({ madeFrom: null, rows: 900 });
});
