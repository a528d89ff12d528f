/** A model trained on decisions and what came of them, evaluated by its scores, and rolled out: `millrace train` on the real services. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import type { ExportLabelSize } from '../../workflows/export-training-set/contract.ts';
import type { TrainStatus } from '../../workflows/train-model/contract.ts';
import { archiveNow } from '../archive/archive-now.ts';
import { UserWorld } from '../cases/user-world.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';

const TIMEOUT_MS = 400_000;
const MINUTE_MS = 60_000;
const run = randomUUID().slice(0, 8);
const MODEL = `clicker_${run}`;
const [CHOICES, CLICKS] = [`choices-${run}`, `clicks-${run}`];
const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const iso = (minutesAgo: number): string => new Date(nowMs - minutesAgo * MINUTE_MS).toISOString();

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

/** Gives every decision of one that was clicked on 0.8, all others 0.2, but for what the test asks. */
const TRAINS = `import { writeFileSync } from 'node:fs';
const { env } = process;
console.log('trained with', env.SEED);
writeFileSync(env.MILLRACE_MODEL_OUT, JSON.stringify({ seed: env.SEED }));
const rows = Array.from({ length: 12 }, (_, n) => 'd' + n + ',' + (n % 3 === 0 ? env.GOOD : env.BAD));
writeFileSync(env.MILLRACE_SCORES_OUT, 'decision_id,score\\n' + rows.join('\\n') + '\\n');
`;

let world: UserWorld;
let kafka: KafkaFixture;
beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  world = await UserWorld.open(inject('stack'), { all: definitions });
  world.write('data/sales.csv', 'shop,at,amount\na,2001-01-01T00:00:00Z,5\na,2001-01-02T00:00:00Z,7\n');
  world.write('code/train.mjs', TRAINS);
  for (const topic of [CHOICES, CLICKS]) await kafka.createTopic(topic, 1);
  const tags = JSON.stringify(
    (await loadDefinitions(join(world.folder, 'features'))).views.get('takings')!.tags!.features,
  );
  for (let n = 0; n < 13; n++) await decide(n, tags);
  for (const n of [0, 3, 6, 9]) await heard(n);
  await world.startWorker(undefined, { MILLRACE_TRAINING_DIR: join(world.folder, 'code') });
  await done('start', 'takings', '--wait');
  const { folder, pool } = world;
  const into = { features: join(folder, 'features'), pool, archiveDir: join(folder, 'archive'), reader: kafka.reader };
  const { choices, clicks } = await archiveNow(into, ['choices', 'clicks']);
  if (choices !== 13 || clicks !== 4) throw new Error(`archived: ${choices} choices and ${clicks} clicks`);
}, TIMEOUT_MS);
afterAll(async () => {
  await world.close();
  await kafka.close();
});

async function done(...args: string[]): Promise<void> {
  const { exitCode, stderr } = await world.millrace(...args);
  if (exitCode !== 0) throw new Error(`millrace ${args.join(' ')}: ${stderr}`);
}

async function send(topic: string, minutesAgo: number, json: object): Promise<void> {
  const message = { partition: 0, value: JSON.stringify(json), timestamp: String(nowMs - minutesAgo * MINUTE_MS) };
  await kafka.producer.send({ topic, messages: [message] });
}

/** Twelve whose labels are final, and a thirteenth of five minutes ago. */
async function decide(n: number, tags: string): Promise<void> {
  const minutesAgo = n < 12 ? 240 - n : 5;
  const read = {
    request_id: `r${n}`,
    block: 'takings',
    view: 'takings',
    version: 1,
    seq: 0,
    as_of: iso(minutesAgo),
    tags,
    keys: '{"shop":"a"}',
    values: '{"sold":2,"amount":12}',
  };
  await send(CHOICES, minutesAgo, {
    decision_id: `d${n}`,
    decided_at: iso(minutesAgo),
    request_ids: [],
    reads: [read],
    acted: true,
    model: MODEL,
    model_version: 1,
    unit: `u${n}`,
    score: 0.5,
    action: 'show',
    alternatives: [],
    more_alternatives: 0,
    context: { country: n % 2 === 0 ? 'de' : 'fr' },
  });
}

async function heard(n: number): Promise<void> {
  const at = iso(235 - n);
  await send(CLICKS, 235 - n, {
    outcome_id: `o${n}`,
    decision_id: `d${n}`,
    name: 'click',
    occurred_at: at,
    value: true,
  });
}

/** A command line that trains, with variables for the script. */
function asked(variables: Readonly<Record<string, string>>): string[] {
  const set = Object.entries(variables).flatMap(([name, value]) => ['--variable', `${name}=${value}`]);
  const of = ['--service', 'model', '--labels', 'clicked', '--from', '-5h', '--to', 'now'];
  return ['train', MODEL, ...of, '--command', 'node train.mjs', ...set];
}

async function trained(variables: Readonly<Record<string, string>>, ...more: string[]): Promise<TrainStatus> {
  return (await world.json(...asked(variables), ...more)) as TrainStatus;
}

test(
  'decisions with what came of them are trained on, the scores of the new version are evaluated, and it is rolled out',
  async () => {
    const { size } = (await world.json(...asked({}), '--dry-run')) as { size: ExportLabelSize };
    expect(size).toMatchObject({ isDryRun: true, rows: 12, labels: { counts: { immature: 1 } } });
    const first = await trained({ SEED: '1', GOOD: '0.5', BAD: '0.5' }, '--as', 'champion', '--approve', 'never');
    expect(first).toMatchObject({
      phase: 'published',
      set: { rows: 12, immature: 1 },
      command: { hasScores: true },
      published: { version: 1, alias: 'champion' },
      evaluated: { rows: 12, champion: null, isMet: null },
    });
    expect(first.evaluated?.metrics['logLoss']).toBeCloseTo(Math.log(2), 12);
    const minimum = { minimum: { measure: 'logLoss', of: 'evaluation', betterThan: 'champion' } };
    world.write('better.json', JSON.stringify({ ...minimum, evaluate: { segments: ['country'] } }));
    // What is worse than the champion on the same decisions is published, and goes no further.
    const file = ['--file', join(world.folder, 'better.json')];
    const worse = await world.millrace(...asked({ SEED: '2', GOOD: '0.1', BAD: '0.9' }), ...file, '--json');
    expect(worse.exitCode).toBe(1);
    expect(JSON.parse(worse.stdout)).toMatchObject({
      phase: 'below-minimum',
      published: { version: 2 },
      evaluated: {
        isMet: false,
        why: expect.stringContaining('not better than that of the champion, version 1, 0.69') as string,
      },
    });
    world.write(
      'rollout.json',
      JSON.stringify({ decisions: 'choices', labels: 'clicked', units: 'user', metric: { measure: 'log-loss' } }),
    );
    const rollout = ['--rollout', join(world.folder, 'rollout.json'), '--approve', 'never'];
    const better = await trained({ SEED: '3', GOOD: '0.8', BAD: '0.2' }, ...file, ...rollout);
    expect(better).toMatchObject({
      phase: 'rolled-out',
      published: { version: 3, alias: 'challenger' },
      rollout: `rollout:${MODEL}`,
      evaluated: { rows: 12, isMet: true, champion: { version: 1 } },
    });
    expect(better.evaluated?.metrics['logLoss']).toBeCloseTo(-Math.log(0.8), 12);
    const kept = join(world.folder, 'archive', better.run, 'evaluation.json');
    const report = JSON.parse(readFileSync(kept, 'utf8')) as {
      readonly sides: readonly { readonly segments: readonly { readonly by: string }[] }[];
    };
    expect(report.sides[0]?.segments[0]?.by).toBe('country');
    await rolling(better);
    // One goes on: the next version waits for its own.
    const second = await world.millrace(...asked({ SEED: '4', GOOD: '0.9', BAD: '0.1' }), ...file, ...rollout);
    expect(second).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('error rollout-open: a rollout of model') as string,
    });
  },
  TIMEOUT_MS,
);

/** The rollout runs by itself, over the version that was trained. */
async function rolling({ rollout, published }: TrainStatus): Promise<void> {
  const stack = inject('stack');
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection, namespace: stack.temporalNamespace });
  const handle = client.workflow.getHandle(rollout ?? '');
  await vi.waitFor(
    async () => {
      const status = await handle.query<{ readonly candidate: unknown; readonly phase: string }>('status');
      expect(status.candidate).toBe(published?.version);
    },
    { timeout: 60_000, interval: 250 },
  );
  expect((await handle.describe()).status.name).toBe('RUNNING');
  await connection.close();
}
