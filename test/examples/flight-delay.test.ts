import { cpSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDb, quoteText } from '../../engine/duckdb/duckdb.ts';
import { pack, ROOT, temporaryFolder, UserFolder } from '../package/packed.ts';

const made = temporaryFolder();
let project: UserFolder;

/** A training set as `millrace export` writes one: a number that tells of the label, one that does not and is missing at times, and an hour that does. */
async function writeTrainingSet(name: string, rows: number, from: number): Promise<void> {
  const duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(made.path, 'spill') });
  const path = join(project.path, name);
  try {
    await duckdb.run(`COPY (
      SELECT share AS from__late_share_1h, CASE WHEN n % 10 = 0 THEN NULL ELSE noise END AS to__delay_avg_4h, hour AS flight_delay__hour,
        (hash(n + 3) % 1000) / 1000.0 < 1 / (1 + exp(2 - 3 * share - (hour >= 18)::INTEGER)) AS late
      FROM (SELECT n, (hash(n) % 1000) / 1000.0 AS share, (hash(n + 7) % 100)::DOUBLE AS noise, (5 + hash(n + 11) % 19)::BIGINT AS hour FROM range(${from}, ${from + rows}) r(n))
      ) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd)`);
  } finally {
    await duckdb.close();
  }
  const feature = (block: string, feature: string): object => ({ name: feature, column: `${block}__${feature}` });
  const manifest = {
    service: 'flight_delay',
    views: [
      { view: 'airport_departures', role: 'from', features: [feature('from', 'late_share_1h')] },
      { view: 'airport_departures', role: 'to', features: [feature('to', 'delay_avg_4h')] },
    ],
    derived: { features: [feature('flight_delay', 'hour')] },
  };
  await writeFile(`${path}.manifest.json`, JSON.stringify(manifest));
}

/** Runs a program in the project that prints one JSON value. */
async function printed<T>(program: string): Promise<T> {
  const { status, stdout, stderr } = await project.run('node', ['--input-type=module', '-e', program]);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

beforeAll(async () => {
  const packed = await pack(made.path);
  const path = join(made.path, 'flight-delay');
  cpSync(join(ROOT, 'examples', 'flight-delay'), path, { recursive: true });
  project = new UserFolder(path);
  await project.done('npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', packed.path);
  await writeTrainingSet('train.parquet', 20_000, 0);
  await writeTrainingSet('test.parquet', 10_000, 1_000_000);
}, 900_000);

afterAll(() => made.remove());

describe('examples/flight-delay, installed from the packed file', () => {
  it('trains a model that says more than how many are late, the same bytes each time', async () => {
    const train = (out: string): Promise<void> =>
      project.done(
        'node',
        'train.mjs',
        '--out',
        out,
        '--metrics',
        'metrics.json',
        '--test',
        'test.parquet',
        '--epochs',
        '12',
        'train.parquet',
      );
    await train('late.json');
    await train('again.json');
    expect(await readFile(join(project.path, 'again.json'))).toEqual(await readFile(join(project.path, 'late.json')));
    const metrics = JSON.parse(await readFile(join(project.path, 'metrics.json'), 'utf8')) as Record<string, number>;
    expect(metrics['rows']).toBe(10_000);
    expect(metrics['logLoss']).toBeLessThan(metrics['logLossBase']! - 0.03);
  });

  it('serves what it trained: of reads as a client gives them, with what is missing', async () => {
    const found = await printed<{ likely: number; unlikely: number; missing: number; inARow: number }>(`
      import { readFileSync } from 'node:fs';
      import { lateModel } from './late-model.mjs';
      const model = await lateModel(readFileSync('late.json'));
      const read = (share, hour) => ({ from: { values: { late_share_1h: share } }, to: { values: { delay_avg_4h: null } }, flight_delay: { values: { hour } } });
      const [likely, unlikely, missing] = model.probabilities([read(1, 20), read(0, 8), read(null, 8)]);
      const [inARow] = model.probabilities([read(1, 20)]);
      console.log(JSON.stringify({ likely, unlikely, missing, inARow }));`);
    expect(found.likely).toBeGreaterThan(0.7);
    expect(found.unlikely).toBeLessThan(0.25);
    expect(found.missing).toBeGreaterThan(found.unlikely);
    expect(found.missing).toBeLessThan(found.likely);
    expect(found.inARow).toBe(found.likely);
  });

  it('knows features by each other where that is asked for', async () => {
    await project.done('node', 'train.mjs', '--out', 'broken.json', '--shuffled', 'train.parquet');
    const names = async (file: string): Promise<unknown> =>
      (
        JSON.parse(await readFile(join(project.path, file), 'utf8')) as {
          inputs: { block: string; feature: string }[];
        }
      ).inputs.map(({ block, feature }) => `${block}.${feature}`);
    expect(await names('late.json')).toEqual(['from.late_share_1h', 'to.delay_avg_4h', 'flight_delay.hour']);
    expect(await names('broken.json')).toEqual(['to.delay_avg_4h', 'from.late_share_1h', 'flight_delay.hour']);
  });

  it('decides by cost, explores one decision in ten, and its propensities are what it does', async () => {
    const found = await printed<{ warned: number; sums: number[]; least: number; again: boolean; costly: string[] }>(`
      import { decide, propensities } from './policy.mjs';
      const ids = Array.from({ length: 20_000 }, (_, n) => 'F' + n);
      const decided = ids.map((id) => decide(id, 0.3));
      console.log(JSON.stringify({
        warned: decided.filter(({ action }) => action === 'warn').length / ids.length,
        sums: decided.slice(0, 100).map(({ propensity, alternatives }) => propensity + alternatives[0].propensity),
        least: Math.min(...decided.map(({ propensity }) => propensity)),
        again: JSON.stringify(decide('F1', 0.3)) === JSON.stringify(decided[1]),
        costly: [0.2, 0.24, 0.26, 0.9].map((p) => (propensities(p).warn > 0.5 ? 'warn' : 'none')),
      }));`);
    expect(found.warned).toBeGreaterThan(0.94);
    expect(found.warned).toBeLessThan(0.96);
    expect(found.sums.every((sum) => Math.abs(sum - 1) <= 1e-9)).toBe(true);
    expect(found.least).toBeCloseTo(0.05, 12);
    expect(found.again).toBe(true);
    expect(found.costly).toEqual(['none', 'none', 'warn', 'warn']);
  });
});
