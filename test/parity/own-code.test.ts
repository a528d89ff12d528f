import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { openWorld, type ParityWorld } from './parity-world.ts';

const DAY_US = 86_400_000_000;

/** Other code than `spendingView`'s: small amounts do not count, and the lifetime feature is gone. */
function largeSpendingView(): CompiledView {
  const view = spendingView({ topic: 'purchases', lifetime: false, fingerprint: 'b'.repeat(64) });
  return { ...view, prepare: countingLarge(view) };
}

function countingLarge(view: CompiledView): CompiledView['prepare'] {
  return (event, out) => (Number(event.row['amount']) < 10 ? 'filtered' : view.prepare(event, out));
}

const before = spendingView({ topic: 'purchases' });
const after = largeSpendingView();
let world: ParityWorld & { close(): Promise<void> };

async function build(view: CompiledView): Promise<number> {
  const { pool, reader, folder, clock } = world;
  return (await runBackfill({ view, pool, reader, spillDir: folder, clock, builder: 'parity-test' })).version;
}

/** Each definition is built, streams and is read; `after` is what is live. */
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, { view: before, nowUs: 5 * DAY_US });
  let bought = 0;
  const buy = (amount: number): void =>
    world.append(0, [
      {
        value: purchaseBytes({ id: `p${++bought}`, at: `1970-01-0${bought}T00:00:00Z`, customer: 'ana', amount }),
        timestampUs: 5 * DAY_US,
      },
    ]);
  buy(1);
  await world.backfill();
  buy(20);
  await world.stream();
  await world.serve([['ana'], ['bo']]);
  await publishVersion({ pool: world.pool, view: after.name, version: await build(after) });
  buy(5);
  buy(30);
  await world.stream({ view: after });
  await world.serve([['ana'], ['bo']]);
});
afterEach(() => world.close());

test('an audit replays the reads of each version by the code of that version', async () => {
  const audited = await world.audit({ code: codeOf([before, after]) });
  expect(audited).toMatchObject({
    verdict: 'equal',
    version: 2,
    fingerprint: after.fingerprint,
    reads: 4,
    skipped: {},
  });
  // 2 reads of 3 features and 2 of 2, and the 2 cells of the one stored state.
  expect(audited.cellsCompared).toBe(2 * 3 + 2 * 2 + 2);
  expect(audited.replayedBy).toEqual([after, before]);
  // The same log by other code would not give it: who passed off one for the other would be found out.
  const forged: CompiledView = { ...before, prepare: countingLarge(before) };
  const wrong = await world.audit({ code: codeOf([forged, after]) });
  expect(wrong).toMatchObject({ verdict: 'broken', version: 2 });
});

test('reads of a version whose code was never stored are counted, and a live version without code is no audit', async () => {
  expect(await world.audit({ code: codeOf([after]) })).toMatchObject({
    verdict: 'equal',
    reads: 2,
    skipped: { 'other-definition': 2 },
  });
  await expect(world.audit({ code: codeOf([before]) })).rejects.toMatchObject({ code: 'definition-changed' });
  await expect(world.audit({ code: codeOf([]) })).rejects.toMatchObject({ code: 'unknown-view' });
});

test('readers flipped to other code in the middle of an audit are no failure: what is live then is audited', async () => {
  const { pool } = world;
  const version = await build(before);
  let isFlipped = false;
  const code = codeOf([before, after]);
  const audited = await world.audit({
    code: {
      viewOf: async (asked) => {
        // After the audit has looked at what is live, and before its snapshot.
        if (!isFlipped) await publishVersion({ pool, view: before.name, version });
        isFlipped = true;
        return await code.viewOf(asked);
      },
    },
  });
  expect(audited).toMatchObject({ verdict: 'equal', version, fingerprint: before.fingerprint, reads: 4 });
});

test('an explanation is by the code of the version that it is of', async () => {
  const { pool, reader, folder, clock } = world;
  const explain = (atUs?: number) =>
    explainFeatures({
      view: before.name,
      code: codeOf([before, after]),
      pool,
      reader,
      archiveDir: null,
      key: ['ana'],
      spillDir: folder,
      clock,
      ...(atUs === undefined ? {} : { atUs }),
    });
  const { rows } = await pool.query<{ us: string }>(
    `SELECT (extract(epoch FROM ended_at) * 1000000)::bigint AS us FROM millrace_catalog.view_version WHERE version = 1`,
  );
  const then = await explain(Number(rows[0]!.us) - 1);
  expect(then).toMatchObject({ version: 1, replayedBy: before });
  expect(then.features.map(({ name }) => name)).toEqual(['purchases_1d', 'spent_7d', 'last_amount']);
  const now = await explain();
  expect(now).toMatchObject({ version: 2, replayedBy: after });
  const spent = now.features.find(({ name }) => name === 'spent_7d');
  expect(spent).toMatchObject({ value: 50, replayed: 50 });
});
