/** `millrace evaluate` over the real services: decisions and outcomes in Kafka and in its archive. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { EvaluationReport } from '../../engine/evaluation/evaluation-report.ts';
import { manifestOf } from '../models/model-world.ts';
import { type EvaluateWorld, type Flight, juneOf, openEvaluateWorld, REQUESTS } from './evaluate-world.ts';

const DAYS = ['--from', '2001-06-01', '--to', '2001-07-01'];
const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'evaluate.md');
let world: EvaluateWorld;
beforeAll(async () => {
  world = await openEvaluateWorld(inject('stack'));
  const costs = /```json\n(\{ "warn".*)\n```/.exec(await readFile(PAGE, 'utf8'))?.[1];
  await writeFile(join(world.folder, 'costs.json'), costs!);
}, 600_000);
afterAll(() => world.close());

const june = juneOf();
const counted = june.filter(({ comesTooLate }) => !comesTooLate);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const lossOf =
  (version: 0 | 1) =>
  ({ scores, isLate }: Flight): number =>
    -Math.log(isLate ? scores[version] : 1 - scores[version]);
const ones = counted.filter(({ isOwn }) => !isOwn);

it('measures what versions gave, acted on or in shadow, against what came, by segment and beside each other', async () => {
  const both = ['evaluate', '--model', 'late@2', '--against', 'late@1', ...DAYS, '--segments', 'origin,day'];
  const report = await world.json<EvaluationReport>(...both);
  const tooLate = REQUESTS - counted.length;
  expect(report.counts).toMatchObject({
    // 240 are of version 2 alone.
    decisions: REQUESTS + (REQUESTS - 240),
    immature: 0,
    labelled: counted.length + ones.length,
    leftOut: tooLate + (REQUESTS - 240 - ones.length),
    invalid: 2,
    duplicates: 120,
  });
  const [two, one] = report.sides;
  expect(two).toMatchObject({ name: 'late@2', rows: counted.length, acted: counted.length - ones.length });
  expect(one).toMatchObject({ name: 'late@1', rows: ones.length, acted: ones.length });
  expect(report.metrics['logLoss']).toBeCloseTo(mean(counted.map(lossOf(1))), 9);
  expect((one!.measures as { logLoss: { value: number } }).logLoss.value).toBeCloseTo(mean(ones.map(lossOf(0))), 9);
  const { paired } = report.comparison!;
  expect(paired).toMatchObject({ requests: ones.length, units: ones.length });
  expect(paired!.difference.value).toBeCloseTo(mean(ones.map((f) => lossOf(1)(f) - lossOf(0)(f))), 9);
  const [origins, days] = two!.segments;
  expect(origins!.parts.map(({ value }) => value).sort()).toEqual(['LAS', 'ORD', 'PHL', 'SEA']);
  expect(days!.parts).toHaveLength(21);
  expect(days!.parts.at(-1)).toMatchObject({ value: null, values: 5 });
}, 300_000);

it('uses no label that is not mature, and says how many there are', async () => {
  const early = await world.json<EvaluationReport>(
    'evaluate',
    '--model',
    'late@1',
    ...DAYS,
    '--as-of',
    '2001-06-15T00:00:00Z',
  );
  const untilMs = Date.UTC(2001, 5, 12);
  const mature = ones.filter(({ atMs }) => atMs <= untilMs);
  expect(early.sides[0]).toMatchObject({ rows: mature.length });
  expect(early.metrics['logLoss']).toBeCloseTo(mean(mature.map(lossOf(0))), 9);
  expect(early.counts.immature).toBe(june.filter(({ isOwn, atMs }) => !isOwn && atMs > untilMs).length);
  expect(early.asOf).toBe('2001-06-15T00:00:00.000000Z');
  const { exitCode, stdout } = await world.run(
    'evaluate',
    '--model',
    'late@1',
    ...DAYS,
    '--as-of',
    '2001-06-02',
    '--json',
  );
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'no-mature-labels' } });
}, 300_000);

it('says what a candidate would have brought, what it brought, and shows it', async () => {
  const costs = join(world.folder, 'costs.json');
  const html = join(world.folder, 'evaluation.html');
  const args = ['evaluate', '--model', 'late@1', ...DAYS, '--candidate', 'late@2', '--reward', costs];
  const { offPolicy } = await world.json<EvaluationReport>(...args);
  const rewardOf = ({ action, isLate }: Flight): number => (action === 'warn' ? (isLate ? 2 : -1) : isLate ? -3 : 0);
  expect(offPolicy).toMatchObject({
    candidate: 'late@2',
    reward: 'costs',
    logged: { decisions: ones.length, withoutPropensity: 0, withoutCandidate: 0, used: ones.length },
    takenAtItsWord: 0,
    value: { kind: 'estimated' },
    actual: { decisions: counted.length - ones.length },
  });
  const { value, actual, asDecided } = offPolicy!;
  if (value.kind !== 'estimated') throw new Error('refused');
  const weightOf = (f: Flight): number => (f.action === 'warn' ? f.warns : 1 - f.warns) / f.propensity;
  expect(value.ips.value).toBeCloseTo(mean(ones.map((f) => weightOf(f) * rewardOf(f))), 9);
  expect(asDecided!.value).toBeCloseTo(mean(ones.map(rewardOf)), 9);
  expect(actual!.mean.value).toBeCloseTo(mean(counted.filter(({ isOwn }) => isOwn).map(rewardOf)), 9);
  expect(Math.abs(actual!.mean.value - value.doublyRobust.value)).toBeLessThan(
    4 * Math.hypot(actual!.mean.error, value.doublyRobust.error),
  );
  const { exitCode, stdout, stderr } = await world.run(...args, '--html', html);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining(`page: ${html}`) as string,
  });
  for (const text of ['calibration of late@1', 'what late@2 would have brought', 'doubly robust', 'what happened'])
    expect(stdout).toContain(text);
  expect(await readFile(html, 'utf8')).toContain('<svg');
}, 300_000);

it('goes with models: the champion, the rate of its training set, and a report as the metrics of the next', async () => {
  const manifest = join(world.folder, 'train.manifest.json');
  await writeFile(manifest, JSON.stringify(manifestOf()));
  const metrics = join(world.folder, 'metrics.json');
  await writeFile(metrics, JSON.stringify({ baseRate: 0.3 }));
  const publish = async (bytes: string, more: readonly string[]): Promise<void> => {
    const file = await world.models.file(Buffer.from(bytes));
    await world.json(
      'model',
      'publish',
      'late',
      '--file',
      file,
      '--service',
      'delay_model',
      '--trained-on',
      manifest,
      ...more,
    );
  };
  await publish('one', ['--metrics', metrics]);
  const champion = await world.json<EvaluationReport>('evaluate', '--model', 'late', ...DAYS, '--labels', 'late');
  expect(champion).toMatchObject({ base: { rate: 0.3, of: 'training set' }, sides: [{ name: 'late@1' }] });
  const rate = await world.json<EvaluationReport>('evaluate', '--model', 'late', ...DAYS, '--base-rate', '0.25');
  expect(rate.base).toEqual({ rate: 0.25, of: 'asked' });

  // A model that decided nothing yet: what it gives for the days of others.
  const scores = join(world.folder, 'scores.csv');
  await writeFile(scores, ['decision_id,score', ...june.map(({ id, scores: [, two] }) => `${id},${two}`)].join('\n'));
  const report = join(world.folder, 'report.json');
  const three = await world.json<EvaluationReport>(
    'evaluate',
    '--model',
    'late@3',
    '--scores',
    scores,
    '--against',
    'late@1',
    ...DAYS,
  );
  expect(three.sides).toMatchObject([{ name: 'late@3', rows: counted.length }, { name: 'late@1' }]);
  expect(three.metrics['logLoss']).toBeCloseTo(mean(counted.map(lossOf(1))), 9);
  await writeFile(report, JSON.stringify(three));
  await publish('two', ['--metrics', report, '--as', 'challenger']);
  const listed = await world.json<object[]>('model', 'list', 'late');
  expect(listed[0]).toMatchObject({ version: 2, metrics: { logLoss: three.metrics['logLoss'], evaluatedOn: 'late' } });
}, 300_000);

it('says how much there is, and refuses by name', async () => {
  const size = ['evaluate', '--model', 'late@2', ...DAYS, '--dry-run'];
  expect(await world.json(...size)).toMatchObject({
    models: expect.arrayContaining([
      expect.objectContaining({
        name: 'late@2',
        acted: counted.length - ones.length,
        shadows: ones.length,
        scored: counted.length,
      }),
    ]) as object[],
  });
  const { stdout, stderr } = await world.run(...size);
  expect(stdout).toMatch(/late@2 +│/);
  expect(stderr).toContain('nothing was measured');
  const refused = async (code: string, ...args: string[]): Promise<void> => {
    const { exitCode, stderr: told } = await world.run('evaluate', ...args);
    expect({ exitCode, told }).toMatchObject({ exitCode: 1, told: expect.stringContaining(`error ${code}`) as string });
  };
  await refused('model-never-decided', '--model', 'late@9', ...DAYS);
  await refused('unknown-model', '--model', 'early', ...DAYS);
  await refused('nothing-decided', '--model', 'late@1', '--from', '1999-06-01', '--to', '1999-07-01');
  await refused('unknown-label-set', '--model', 'late@1', ...DAYS, '--labels', 'early');
  await refused('unknown-segment', '--model', 'late@1', ...DAYS, '--segments', 'carrier');
  await refused('bad-options', '--model', 'late@1', '--from', 'June', '--to', '2001-07-01');
  await refused('bad-options', '--model', 'late@1', ...DAYS, '--reward', 'costs.json');
  await refused('bad-options', '--model', 'late@1', ...DAYS, '--candidate', 'late');
  await refused('out-not-writable', '--model', 'late@1', ...DAYS, '--html', join(world.folder, 'gone', 'a.html'));
  await refused('invalid-usage', '--model', 'late@1', ...DAYS, '--sample', '2');
}, 300_000);

it('prints what the page shows (WRITE_PAGES=1 writes it there)', async () => {
  const page = await readFile(PAGE, 'utf8');
  const shown = [...page.matchAll(/```sh\nnpx millrace (evaluate .*)\n```\n```text\n([^]*?)```/g)];
  expect(shown).toHaveLength(2);
  let written = page;
  for (const [block, command, text] of shown) {
    const { exitCode, stdout, stderr } = await world.run(...command!.split(' '));
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    written = written.replace(block, () => block.replace(`\`\`\`text\n${text}`, () => `\`\`\`text\n${stdout}`));
  }
  if (process.env['WRITE_PAGES'] === '1') await writeFile(PAGE, written);
  else expect(page).toBe(written);
}, 300_000);
