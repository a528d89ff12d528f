/** What a service derives of its views and of requests, tried as a training set has it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { readParquet } from '../training/training-fixture.ts';
import { sale, trial } from './insight-fixture.ts';

const HISTORY = Array.from({ length: 60 }, (_, n) => sale(n, { shop: ['north', 'south'][n % 2] }));
const LABELS = Array.from({ length: 30 }, (_, n) => ({
  from: n === 4 ? 'nowhere' : 'north',
  to: 'south',
  event_timestamp: new Date(Date.UTC(2026, 2, 1) + n * 7_200_000 + 60_000).toISOString(),
  seats: 1 + n,
  note: n % 3 === 0 ? null : `note ${n % 3}`,
  good: n % 2 === 0,
}));
const COLUMNS = ['seats_a_sale', 'hour', 'told', 'fails'].map((name) => `load__${name}`);

test('with a spine that has the requests each is measured as an export by event time writes it', async () => {
  const { run, spine, folder, definitions } = await trial(HISTORY);
  const path = await spine(LABELS);
  const report = await run('load', { spine: path, label: 'good' });
  const out = join(folder, 'out.parquet');
  const manifest = await exportTrainingSet({
    service: definitions.services.get('load')!,
    spine: path,
    out,
    mode: 'event-time',
    onError: 'null',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  const { rows } = await readParquet(out);
  for (const column of COLUMNS) {
    const found = report.features.find((feature) => feature.column === column);
    const written = manifest.derived!.features.find((feature) => feature.column === column)!;
    const failed = Object.values(written.errors ?? {}).reduce((sum, one) => sum + one, 0);
    expect(found).toMatchObject({ block: 'load', rows: 30, nulls: written.nulls - failed, errors: written.errors });
    expect(found!.strength).not.toBeNull();
    const values = rows.flatMap((row) => (row[column] === null ? [] : [row[column]]));
    if (column === 'load__told') {
      expect(found!.distribution).toMatchObject({ kind: 'category', distinct: new Set(values).size });
      continue;
    }
    const numbers = values.map(Number).toSorted((a, b) => a - b);
    expect(numbers.length).toBeGreaterThan(0);
    expect(found!.distribution).toMatchObject({
      kind: 'number',
      quantiles: { min: numbers[0], p50: numbers[Math.ceil(numbers.length / 2) - 1], max: numbers.at(-1) },
    });
  }
  expect(report.features.find(({ column }) => column === 'load__fails')!.errors).toEqual({ 'input-error': 1 });
  expect(report.blocks.map(({ block }) => block)).toEqual(['seller', 'buyer']);
  expect(report.notes.join(' ')).not.toContain('not tried');
});

test('what cannot be tried is named, and why; the views are tried all the same', async () => {
  const { run, spine } = await trial(HISTORY);
  const named = COLUMNS.join(', ');
  const without = await run('load', { spine: await spine(LABELS.map((label) => ({ ...label, seats: undefined }))) });
  expect(without.notes).toContain(
    `not tried: ${named}, which the service derives: the spine lacks what the service asks for: seats`,
  );
  expect(without.features.map(({ column }) => column)).toContain('seller__sales');
  expect(without.features.map(({ block }) => block)).not.toContain('load');
  const ofEvents = await run('load');
  expect(ofEvents.notes.at(-1)).toMatch(
    new RegExp(`^not tried: ${named}, which the service derives: rows made of events .*--spine`),
  );
});

test('a request that is wrong is refused as an export refuses it; a field that may be left out is not missed', async () => {
  const { run, spine } = await trial(HISTORY);
  await expect(
    run('load', { spine: await spine(LABELS.map((label, n) => ({ ...label, seats: n }))) }),
  ).rejects.toMatchObject({
    code: 'spine-bad-request',
    message: expect.stringMatching(/"seats" \(a value of the request\), row 1/) as string,
  });
  await expect(
    run('load', { spine: await spine(LABELS.map((label, n) => ({ ...label, seats: n === 2 ? null : 1 }))) }),
  ).rejects.toMatchObject({ code: 'spine-bad-request' });
  const report = await run('load', { spine: await spine(LABELS.map((label) => ({ ...label, note: undefined }))) });
  expect(report.features.find(({ column }) => column === 'load__told')).toMatchObject({ rows: 30, nulls: 30 });
});

test('of a source with sensitive fields the numbers are not shown', async () => {
  const { run, spine } = await trial(HISTORY);
  const report = await run('secret', { spine: await spine(LABELS.map((label) => ({ ...label, shop: label.from }))) });
  const found = report.features.find(({ column }) => column === 'secret__twice');
  expect(found).toMatchObject({ rows: 30, nulls: 0 });
  expect(found!.distribution).toEqual(
    report.features.find(({ column }) => column === 'by_shop__letters')!.distribution,
  );
});
