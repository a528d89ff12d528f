import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { outcomes } from '../../engine/define/outcomes.ts';
import { DecisionLog } from '../../engine/decisions/decision-log.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { runCli } from '../cli/run-cli.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { compiled } from '../online/online-fixture.ts';
import {
  catalogRows,
  openStreamDatabase,
  publishEmptyVersion,
  stateBytes,
  testClock,
} from '../stream/stream-fixture.ts';
import { compiledSource, saidRecords } from './said-records.ts';

const offers = decisions('offers', { context: z.object({ shop: z.string() }), topic: 'viewed-offers' });
const clicks = outcomes('clicks', {
  value: z.boolean(),
  entity: z.object({ shop: z.string() }),
  topic: 'viewed-clicks',
});
const offersOfShop = featureView('offers_of_shop', {
  entity: entity('shop', { shop: z.string() }),
  source: offers,
  key: (d) => ({ shop: d.context.shop }),
  where: (d) => d.acted,
  features: (f) => ({ offers: f.count(), chance: f.avg('propensity'), last_action: f.last('action') }),
});

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let kafka: KafkaFixture;
let writer: LogWriter;
let folder: string;
let view: CompiledView;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-decisions-'));
  const brokers = inject('stack').kafkaBrokers;
  kafka = await openKafka(brokers);
  for (const topic of ['viewed-offers', 'viewed-clicks']) await kafka.createTopic(topic, 2);
  database = await openStreamDatabase(inject('stack').databaseUrl);
  writer = createKafkaLogWriter({ brokers, clientId: 'decisions-test' });
  [view] = (await compiled(offersOfShop)) as [CompiledView];
});
afterAll(async () => {
  await writer.close();
  await kafka.close();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const opened = (): DecisionLog =>
  new DecisionLog({ writer, installation: installationNames(), clock: testClock, logId: 'log', flushMs: 1 });
const archive = (definition: Parameters<typeof compiledSource>[0], attemptMs: number) =>
  runArchive({
    source: compiledSource(definition),
    reader: kafka.reader,
    pool: database.pool,
    archiveDir: join(folder, 'archive'),
    until: 'present-end',
    clock: testClock,
    fence: { generation: 1, attemptMs, owner: 'test' },
  });

test('a view over decisions is the same by batch and by stream; a record that breaks a rule is a dead letter with its reason in both', async () => {
  const log = opened();
  for (let n = 0; n < 200; n++) {
    log.decide(offers, {
      id: `d-${n}`,
      action: n % 3 === 0 ? 'gift' : 'none',
      propensity: n % 2 === 0 ? 0.75 : 0.25,
      alternatives: [{ action: 'other', propensity: n % 2 === 0 ? 0.25 : 0.75 }],
      acted: n % 10 !== 0,
      ...(n % 10 === 0 ? { shadowOf: `d-${n + 1}` } : {}),
      context: { shop: `s${n % 7}` },
    });
  }
  await log.close();
  const wrong = {
    decision_id: 'wrong',
    decided_at: new Date(testClock.nowUs() / 1000).toISOString(),
    request_ids: [],
    reads: [],
    acted: true,
    action: 'none',
    propensity: 0.5,
    alternatives: [{ action: 'gift', propensity: 0.4 }],
    more_alternatives: 0,
    context: { shop: 's1' },
  };
  await kafka.send('viewed-offers', 0, [JSON.stringify(wrong)]);
  await kafka.send('viewed-offers', 1, [JSON.stringify({ ...wrong, propensity: 0, alternatives: [] })]);

  const built = await runBackfill({
    view,
    pool: database.pool,
    reader: kafka.reader,
    spillDir: join(folder, 'spill'),
    clock: testClock,
    builder: 'test',
  });
  expect(built).toMatchObject({ rows: 202, entities: 7, counts: { applied: 180, invalid: 2 } });
  await publishVersion({ pool: database.pool, view: view.name, version: built.version });
  const version = await publishEmptyVersion(database.pool, view, await kafka.reader.bounds('viewed-offers'));
  await runStream({
    view,
    version,
    pool: database.pool,
    reader: kafka.reader,
    fence: { generation: 1, attemptMs: 1, owner: 'test' },
    until: 'present-end',
    clock: testClock,
  });
  const states = await stateBytes(database.pool, view, version);
  expect(states).toHaveLength(7);
  expect(await stateBytes(database.pool, view, built.version)).toEqual(states);
  const reasonsOf = async (of: number): Promise<unknown[]> =>
    (await catalogRows(database.pool, 'dead_letter', view.name, of)).map(({ reasons }) => reasons);
  const reasons = [
    ['propensity: expected a number above 0 and at most 1, received 0'],
    ['propensity: expected a sum of 1 with those of the alternatives, received 0.9'],
  ];
  expect((await reasonsOf(version)).toSorted()).toEqual(reasons);
  expect((await reasonsOf(built.version)).toSorted()).toEqual(reasons);
  const told = await runCli(['dead-letters', view.name], { DATABASE_URL: database.databaseUrl });
  expect(told.stdout).toContain('expected a sum of 1');

  // The archive's listing has the same verdict, and gives what the topic deletes.
  expect(await archive(offers, 1)).toMatchObject({ records: 202 });
  const before = await saidRecords(kafka.reader, compiledSource(offers));
  for (const { partition, endOffset } of (await kafka.reader.bounds('viewed-offers')).partitions)
    await kafka.deleteBefore('viewed-offers', partition, endOffset);
  const archived = withArchive(kafka.reader, {
    pool: database.pool,
    archiveDir: join(folder, 'archive'),
    duckdbTempDir: join(folder, 'duckdb'),
  });
  const after = await saidRecords(archived, compiledSource(offers));
  expect(after.rows).toHaveLength(200);
  const byId = (rows: typeof before.rows): unknown[] =>
    rows.toSorted((a, b) => (String(a['decision_id']) < String(b['decision_id']) ? -1 : 1));
  expect(byId(after.rows)).toEqual(byId(before.rows));
  for (const { invalid } of [before, after]) expect(invalid.map((one) => one.reasons).toSorted()).toEqual(reasons);
});

test('outcomes before their decision, twice, years late and for nothing: all are kept, a resent one once', async () => {
  const log = opened();
  const nowUs = testClock.nowUs();
  const year = 365 * 86_400_000_000;
  log.outcome(clicks, { id: 'early', decision: 'not-yet', name: 'click', value: true });
  for (let n = 0; n < 2; n++) log.outcome(clicks, { id: 'twice', decision: 'd-1', name: 'click', value: true });
  log.outcome(clicks, { id: 'years-late', decision: 'd-1', name: 'click', value: false, at: nowUs - 5 * year });
  log.outcome(clicks, { id: 'for-nothing', decision: 'nobody', name: 'click', value: true });
  log.outcome(clicks, { id: 'of-entity', entity: { shop: 's1' }, name: 'click', value: true });
  log.outcome(clicks, { id: 'ahead', decision: 'd-1', name: 'click', value: true, at: nowUs + year });
  await log.close();
  expect(log.figures.sources['clicks']).toMatchObject({ sent: 7 });
  await archive(clicks, 2);
  const archived = withArchive(kafka.reader, {
    pool: database.pool,
    archiveDir: join(folder, 'archive'),
    duckdbTempDir: join(folder, 'duckdb'),
  });
  for (const reader of [kafka.reader, archived]) {
    const { rows, invalid } = await saidRecords(reader, compiledSource(clicks));
    expect(rows.map((row) => row['outcome_id']).toSorted()).toEqual([
      'early',
      'for-nothing',
      'of-entity',
      'twice',
      'years-late',
    ]);
    // A time beyond `maxAhead` is a dead letter, as of any source: it would drag the watermark.
    expect(invalid.map(({ reasons }) => reasons.join())).toEqual([expect.stringContaining('ahead') as string]);
  }
});
