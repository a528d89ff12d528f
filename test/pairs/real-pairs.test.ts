import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { createActivities } from '../../activities/create-activities.ts';
import { queryPairs, sendPairsCommand, startPairs } from '../../cli/pairs-client.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { createClient } from '../../engine/online/client.ts';
import { pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { countDeadLetters, deadLetters } from '../../engine/postgres/dead-letters.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { pairsWorkflowId } from '../../workflows/join-pairs/contract.ts';
import { runCli } from '../cli/run-cli.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { eventually, LifecycleHarness, pageOf } from '../lifecycle/lifecycle-harness.ts';
import { openStreamDatabase, publishEmptyVersion, stateBytes } from '../stream/stream-fixture.ts';
import { adsOf } from './ads.ts';

const TIMEOUT_MS = 300_000;
const suffix = `_${randomUUID().slice(0, 6)}`;
const ads = adsOf(suffix);
const labelSet = ads.clicked.name;
const pairsTopic = `millrace.pairs.${labelSet}`;
const SHOWN = 400;

let harness: LifecycleHarness;
let kafka: KafkaFixture;
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let folder: string;
let views: { readonly shows: CompiledView; readonly clicks: CompiledView };
let handle: WorkflowHandle;
const writer = createKafkaLogWriter({ brokers: inject('stack').kafkaBrokers, clientId: 'test' });
const startMs = Date.now() - 86_400_000;

beforeAll(async () => {
  const stack = inject('stack');
  harness = await LifecycleHarness.open(stack);
  kafka = await openKafka(stack.kafkaBrokers);
  database = await openStreamDatabase(stack.databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-pairs-'));
  for (const topic of [`shown${suffix}`, `clicks${suffix}`, pairsTopic]) await kafka.createTopic(topic, 3);
  const definitions = await compileDefinitions(
    definitionsInMemory([ads.shows, ads.clicksOf, ads.model, ads.clicked], process.cwd()),
  );
  views = {
    shows: definitions.views.get(ads.shows.name)!,
    clicks: definitions.views.get(ads.clicksOf.name)!,
  };
  const deps: ActivityDeps = {
    definitions,
    code: { viewOf: async () => await Promise.reject(new Error('no code is stored here')) },
    pool: database.pool,
    reader: kafka.reader,
    topicReader: kafka.reader,
    writer,
    archiveDir: folder,
    servedTopic: 'none',
    clock: systemClock,
    spillDir: folder,
    roots: null,
    memory: processMemory(),
    identity: 'test',
  };
  await harness.startWorker(createActivities(deps));
  handle = harness.client.workflow.getHandle(pairsWorkflowId(labelSet, harness.taskQueue));
}, TIMEOUT_MS);
afterAll(async () => {
  await handle?.terminate().catch(() => undefined); // it may have ended
  await harness?.close();
  await writer.close();
  await kafka?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

const iso = (ms: number): string => new Date(ms).toISOString();

/** Shows in `[from, until)`, a click on every third of them; of each tenth twice, one before its show is said, one long after. */
async function say(from: number, until: number): Promise<void> {
  const shows: { key: string; value: string; timestamp: string }[] = [];
  const clicks: typeof shows = [];
  for (let index = from; index < until; index++) {
    const atMs = startMs + index * 1_000;
    const id = `d${index}`;
    const record = (key: string, value: unknown, ms: number): (typeof shows)[number] => ({
      key,
      value: typeof value === 'string' ? value : JSON.stringify(value),
      timestamp: String(ms),
    });
    const decision = {
      decision_id: id,
      decided_at: iso(atMs),
      request_ids: [],
      reads: [],
      acted: true,
      action: `ad-${index % 5}`,
      alternatives: [],
      more_alternatives: 0,
      context: { page: `p${index % 7}` },
    };
    shows.push(record(id, decision, atMs));
    if (index % 50 === 7) shows.push(record(id, '{broken', atMs));
    const click = (name: string, ms: number): unknown => ({
      outcome_id: `${id}-${name}`,
      decision_id: id,
      name: 'click',
      occurred_at: iso(ms),
      value: true,
    });
    if (index % 3 === 0) clicks.push(record(id, click('first', atMs + 2_500), atMs + 2_500));
    if (index % 10 === 0) {
      clicks.push(record(id, click('first', atMs + 2_500), atMs + 2_500));
      clicks.push(record(id, click('late', atMs + 3_600_001), atMs + 3_600_001));
    }
  }
  // What came of it is on its topic before what was decided.
  await kafka.producer.send({ topic: `clicks${suffix}`, messages: clicks });
  await kafka.producer.send({ topic: `shown${suffix}`, messages: shows });
}

/** Shows that were clicked within the hour. */
const clickedUpTo = (until: number): number =>
  Array.from({ length: until }, (_, index) => index).filter((index) => index % 3 === 0 || index % 10 === 0).length;

const figures = async () => (await pairsStatus(database.pool, labelSet, pairsTopic)).figures;

async function joined(pairs: number): Promise<void> {
  await eventually(async () => {
    const status = await queryPairs(harness.client, labelSet, harness.taskQueue);
    if (status?.phase === 'failed') throw new Error(JSON.stringify(status.error));
    const { pairs: made, outbox, lag } = await figures();
    return made >= pairs && outbox === 0 && lag.decisions + lag.outcomes === 0;
  });
  expect((await figures()).pairs).toBe(pairs);
}

async function streamed(view: CompiledView, version: number, generation: number): Promise<void> {
  const fence = { generation, attemptMs: 1, owner: 'test' };
  const { pool } = database;
  const options = {
    view,
    version,
    pool,
    reader: kafka.reader,
    clock: systemClock,
    fence,
    until: 'present-end',
  } as const;
  expect((await runStream(options)).ended).toBe('present-end');
}

describe('pairs, on the real services', { timeout: TIMEOUT_MS }, () => {
  it('are made of what the topics held, and once', async () => {
    await say(0, SHOWN / 2);
    expect(await startPairs(harness.client, labelSet, harness.taskQueue, { sliceSeconds: 5 })).toBe(true);
    expect(await startPairs(harness.client, labelSet, harness.taskQueue)).toBe(false);
    await joined(clickedUpTo(SHOWN / 2));
    expect((await figures()).invalid).toEqual({ decisions: 4, outcomes: 0 });
    const letters = await deadLetters(database.pool, `pairs:${labelSet}`, 10);
    expect(letters).toHaveLength(4);
    expect(Buffer.from(letters[0]!.payload!).toString()).toBe('{broken');
  });

  it('are told of and steered by commands', async () => {
    const { temporalAddress, temporalNamespace, kafkaBrokers } = inject('stack');
    const variables = {
      DATABASE_URL: database.databaseUrl,
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TEMPORAL_ADDRESS: temporalAddress,
      TEMPORAL_NAMESPACE: temporalNamespace,
      MILLRACE_TASK_QUEUE: harness.taskQueue,
      MILLRACE_FEATURES: join(folder, 'no-features'),
    };
    const run = (...args: string[]) => runCli(args, variables);
    const told = await run('pairs', labelSet, '--json');
    expect({ exitCode: told.exitCode, stderr: told.stderr }).toMatchObject({ exitCode: 0 });
    expect(told.stderr).toContain('runs already');
    expect(JSON.parse(told.stdout)).toMatchObject({
      labelSet,
      topic: pairsTopic,
      started: false,
      workflowId: handle.workflowId,
      figures: { pairs: clickedUpTo(SHOWN / 2), outbox: 0, invalid: { decisions: 4, outcomes: 0 } },
      status: { phase: 'joining', error: null },
    });
    expect((await run('pairs', labelSet)).stdout).toMatch(
      /pairs of \S+: joining\n[\d,]+ pairs, 0 waiting to be sent\ndecisions: 0 behind, .* 4 invalid, 0 without a key\noutcomes: 0 behind/,
    );
    const both = await run('pairs', labelSet, '--pause', '--stop');
    expect(both).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--pause and --stop exclude') as string,
    });
    expect((await run('pairs', labelSet, '--pause')).stdout).toMatch(/pairs of \S+: paus.*\nnext: --resume, --stop/);
    expect(JSON.parse((await run('pairs', labelSet, '--resume', '--json')).stdout)).toMatchObject({ labelSet });
    expect(await run('pairs', 'nobodys', '--pause')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('not-started') as string,
    });
    const letters = await run('dead-letters', `pairs:${labelSet}`, '--json');
    expect(JSON.parse(letters.stdout)).toHaveLength(4);
    // None is good news only of what was joined.
    await database.pool.query(
      `INSERT INTO millrace_catalog.pair_join (label_set, tag, topic) VALUES ('clean', 't', 'millrace.pairs.clean')`,
    );
    expect(await run('dead-letters', 'pairs:clean')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('pairs:clean: no dead letters') as string,
    });
    expect(await run('dead-letters', 'pairs:misspelt')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /unknown-view: pairs of a label set "misspelt" were never joined\n.*millrace pairs misspelt/,
      ) as string,
    });
  });

  it('are not made while it is paused, and go on where it stopped', async () => {
    const paused = await sendPairsCommand(harness.client, labelSet, harness.taskQueue, 'pause');
    expect(paused.phase).toMatch(/^paus/);
    await eventually(async () => (await queryPairs(harness.client, labelSet, harness.taskQueue))?.phase === 'paused');
    expect(await pageOf(handle)).toContain(`pairs of ${labelSet}: paused`);
    await say(SHOWN / 2, SHOWN);
    expect((await figures()).pairs).toBe(clickedUpTo(SHOWN / 2));
    await sendPairsCommand(harness.client, labelSet, harness.taskQueue, 'resume');
    await joined(clickedUpTo(SHOWN));
  });

  it('feed views by stream and by batch alike, bit for bit, and a rate is a derived ratio', async () => {
    const { pool } = database;
    for (const view of [views.shows, views.clicks]) {
      const live = await publishEmptyVersion(pool, view, await kafka.reader.bounds(view.source.topic!));
      await streamed(view, live, 1);
      const { version } = await runBackfill({
        view,
        pool,
        reader: kafka.reader,
        spillDir: folder,
        clock: systemClock,
        builder: 'test',
      });
      const states = await stateBytes(pool, view, live);
      expect(states).toHaveLength(5);
      expect(await stateBytes(pool, view, version)).toEqual(states);
    }
    expect(await countDeadLetters(pool, views.shows.name, 1)).toBe(8);
    const client = createClient({ pool, clock: systemClock });
    const read = await client.getService(ads.model, { ad_id: 'ad-0' });
    const ownShows = Array.from({ length: SHOWN / 5 }, (_, index) => index * 5);
    const clicks = ownShows.filter((index) => index % 3 === 0 || index % 10 === 0).length;
    expect(read.shows.values).toMatchObject({ shows: ownShows.length });
    expect(read.clicks.values).toMatchObject({ clicks, seconds_to_click: 2.5 });
    expect((read as Record<string, unknown>)[ads.model.name]).toMatchObject({
      values: { click_rate_7d: clicks / ownShows.length },
      errors: null,
    });
    await client.close();
  });

  it('end when they are stopped, and nothing of an older joiner counts from then on', async () => {
    await sendPairsCommand(harness.client, labelSet, harness.taskQueue, 'stop');
    expect(await handle.result()).toMatchObject({ phase: 'stopped', pairs: clickedUpTo(SHOWN), error: null });
    expect((await pairsStatus(database.pool, labelSet, pairsTopic)).generation).toBeGreaterThan(2);
  });

  it('cannot be started of a label set that nobody knows', async () => {
    await startPairs(harness.client, 'nobodys', harness.taskQueue);
    const unknown = harness.client.workflow.getHandle(pairsWorkflowId('nobodys', harness.taskQueue));
    await expect(unknown.result()).rejects.toMatchObject({ cause: { type: 'unknown-label-set' } });
  });
});
