import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import type { ExportLabelSize, ExportSummary } from '../../workflows/export-training-set/contract.ts';
import { archiveNow } from '../archive/archive-now.ts';
import { UserWorld } from '../cases/user-world.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { readParquet } from '../training/training-fixture.ts';

const TIMEOUT_MS = 240_000;
const MINUTE_MS = 60_000;
const run = randomUUID().slice(0, 8);
const CHOICES = `choices-${run}`;
const CLICKS = `clicks-${run}`;
/** Now, on the minute: the records are hours old by their broker's time. */
const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const ago = (minutes: number): number => nowMs - minutes * MINUTE_MS;
const iso = (ms: number): string => new Date(ms).toISOString();

const definitions = `
import { decisions, labelSet, outcomes } from 'millrace';
const shop = entity('shop', { shop: z.string() });
const sales = source('sales', {
  schema: z.object({ shop: z.string(), at: z.iso.datetime(), amount: z.int() }), eventTime: 'at', history: { path: 'data/sales.csv' },
});
export const takings = featureView('takings', { entity: shop, source: sales, features: (f) => ({ sold: f.count(), amount: f.sum('amount') }) });
export const model = featureService('model', [takings]);
export const choices = decisions('choices', { context: z.object({ country: z.string() }), topic: '${CHOICES}' });
export const clicks = outcomes('clicks', { value: z.boolean(), topic: '${CLICKS}' });
export const clicked = labelSet('clicked', { decisions: choices, outcomes: clicks, value: (_, o) => (o.value ? 1 : 0), matureAfter: '1h', absent: 0 });
`;

let world: UserWorld;
let kafka: KafkaFixture;
let tags = '';
beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  world = await UserWorld.open(inject('stack'), { all: definitions });
  world.write('data/sales.csv', 'shop,at,amount\na,2001-01-01T00:00:00Z,5\na,2001-01-02T00:00:00Z,7\n');
  tags = JSON.stringify((await loadDefinitions(join(world.folder, 'features'))).views.get('takings')!.tags!.features);
  for (const topic of [CHOICES, CLICKS]) await kafka.createTopic(topic, 2);
  for (const [n, minutes] of [180, 170, 160, 30].entries()) await decide(`d${n}`, minutes, n % 2);
  await heard('o0', 'd0', 150);
  await heard('o1', 'd1', 100);
  await world.startWorker();
}, TIMEOUT_MS);
afterAll(async () => {
  await world.close();
  await kafka.close();
});

async function send(topic: string, partition: number, atMs: number, json: object): Promise<void> {
  const message = { partition, value: JSON.stringify(json), timestamp: String(atMs) };
  await kafka.producer.send({ topic, messages: [message] });
}

async function decide(id: string, minutes: number, partition: number): Promise<void> {
  const read = {
    request_id: `r-${id}`,
    block: 'takings',
    view: 'takings',
    version: 1,
    seq: 0,
    as_of: iso(ago(minutes)),
    tags,
    keys: '{"shop":"a"}',
    values: '{"sold":2,"amount":12}',
  };
  await send(CHOICES, partition, ago(minutes), {
    decision_id: id,
    decided_at: iso(ago(minutes)),
    request_ids: [],
    reads: [read],
    acted: true,
    action: 'show',
    alternatives: [],
    more_alternatives: 0,
    context: { country: 'de' },
  });
}

/** An outcome of a decision; the second partition is idle. */
async function heard(id: string, decision: string, minutes: number, partition = 0): Promise<void> {
  const at = ago(minutes);
  await send(CLICKS, partition, at, {
    outcome_id: id,
    decision_id: decision,
    name: 'click',
    occurred_at: iso(at),
    value: true,
  });
}

function exportArgs(...more: string[]): string[] {
  return ['export', '--service', 'model', '--labels', 'clicked', '--from', iso(ago(200)), '--to', iso(nowMs), ...more];
}

test(
  'decisions with their labels are exported from the archive, and again by their manifest when the topic has lost them',
  async () => {
    const { folder, pool } = world;
    const into = {
      features: join(folder, 'features'),
      pool,
      archiveDir: join(folder, 'archive'),
      reader: kafka.reader,
    };
    expect(await archiveNow(into, ['choices', 'clicks'])).toEqual({ choices: 4, clicks: 2 });
    const sized = (await world.json(...exportArgs('--dry-run'))) as ExportLabelSize;
    expect(sized).toMatchObject({
      isDryRun: true,
      rows: 3,
      labels: { counts: { decisions: 4, immature: 1, labelled: 3 } },
    });
    const summary = (await world.json(...exportArgs('--out', 'first.parquet'))) as ExportSummary;
    expect(summary).toMatchObject({
      mode: 'decided',
      rows: 3,
      labels: { labelSet: 'clicked', counts: { afterMaturity: 1 } },
    });
    const { rows } = await readParquet(join(world.folder, 'first.parquet'));
    expect(rows.map((row) => [row['decision_id'], row['takings__amount'], row['label']])).toEqual([
      ['d0', 12n, 1],
      ['d1', 12n, 0],
      ['d2', 12n, 0],
    ]);
    // It says that it came in time, and is of a decision that is told already: the set of then has nothing of it.
    await heard('o9', 'd2', 140, 1);
    await kafka.deleteBefore(CLICKS, 0, 2);
    await kafka.deleteBefore(CHOICES, 0, 2);
    const again = await world.millrace(
      'export',
      '--service',
      'model',
      '--repeat',
      'first.parquet.manifest.json',
      '--out',
      'again.parquet',
    );
    expect([again.exitCode, again.stderr]).toEqual([0, expect.any(String)]);
    expect(again.stdout).toMatch(/labels of clicked.*immature +│ +1 .*labels as of /s);
    expect(await readFile(join(world.folder, 'again.parquet'))).toEqual(
      await readFile(join(world.folder, 'first.parquet')),
    );
    const eventTime = await world.json(...exportArgs('--mode', 'event-time', '--out', 'timed.parquet'));
    expect(eventTime).toMatchObject({ mode: 'event-time', rows: 3 });
    expect((await readParquet(join(world.folder, 'timed.parquet'))).rows[0]).toMatchObject({
      shop: 'a',
      takings__amount: 12n,
    });
  },
  TIMEOUT_MS,
);

test.each<[string[], RegExp]>([
  [
    ['--labels', 'nothing', '--from', '2026-01-01', '--to', '2026-01-02'],
    /error unknown-label-set: no label set "nothing"; known: clicked/,
  ],
  [['--labels', 'clicked'], /"labels" needs "from", "to"/],
  [
    ['--labels', 'clicked', '--from', '2026-01-01', '--to', '2026-01-02', '--time', 'at'],
    /"timeColumn" does not belong to "labels"/,
  ],
  [['--spine', 'a.csv', '--variant', 'candidate'], /"variant" belongs to "labels"/],
  [['--spine', 'a.csv', '--mode', 'decided'], /"mode": "decided" belongs to "labels"/],
  [['--spine', 'a.csv', '--labels', 'clicked'], /"spine" and "labels" exclude each other/],
  [['--labels', 'clicked', '--from', '2020-01-01', '--to', '2020-01-02'], /error no-mature-labels: .*of 0 decisions/],
])(
  '%j is refused',
  async (args, message) => {
    const { exitCode, stderr } = await world.millrace('export', '--service', 'model', '--out', 'x.parquet', ...args);
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(world.has('x.parquet')).toBe(false);
  },
  TIMEOUT_MS,
);
