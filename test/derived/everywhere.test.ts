import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createClient } from '../../engine/online/client.ts';
import type { DerivedFailed, ServiceDerivedFailed, ViewRead } from '../../engine/online/view-read.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { CellError, type Cell } from '../../engine/values/cell.ts';
import { carriedJson } from '../../engine/values/composite-text.ts';
import { errorOf, type FeatureErrors } from '../../engine/values/feature-errors.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { startApi } from '../../serving/start-api.ts';
import { openWorld, type ParityWorld, SERVED_TOPIC } from '../parity/parity-world.ts';
import { expectedCell, readParquet } from '../training/training-fixture.ts';
import { compiledSpending, spending } from './derived-world.ts';

const HOUR_US = 3_600_000_000;
const START_US = Math.floor(Date.now() / 3_600_000) * HOUR_US - 200 * HOUR_US;
const NOW_US = START_US + 200 * HOUR_US;
const CUSTOMERS = ['ana', 'bo', 'nobody'] as const;
const seed = Date.now() % 2 ** 31;

let view: CompiledView;
let world: ParityWorld & { close(): Promise<void> };
beforeAll(async () => {
  view = await compiledSpending();
});
afterAll(() => world?.close());

const purchase = fc.record({
  customer: fc.constantFrom('ana', 'bo', 'cy'),
  hour: fc.integer({ min: 0, max: 199 }),
  amount: fc.oneof(fc.bigInt({ min: -5n, max: 100n }), fc.constantFrom(2n ** 62n, 2n ** 63n - 1n)),
  note: fc.option(fc.constantFrom('a', 'odd', '', '\u{1F600}')),
});
type Purchase = typeof purchase extends fc.Arbitrary<infer T> ? T : never;

async function begin(purchases: readonly Purchase[]): Promise<void> {
  await world?.close();
  world = await openWorld(inject('stack').databaseUrl, { view, nowUs: NOW_US });
  const append = (part: readonly Purchase[], from: number): void => {
    for (const [index, { customer, hour, amount, note }] of part.entries()) {
      const at = formatDateTime(START_US + hour * HOUR_US);
      const value = JSON.stringify({ id: `p${from + index}`, at, customer, amount: String(amount), note });
      world.append(index % 2, [{ value: Buffer.from(value), timestampUs: NOW_US }]);
    }
  };
  const half = Math.floor(purchases.length / 2);
  append(purchases.slice(0, half), 0);
  await world.backfill();
  append(purchases.slice(half), half);
  await world.stream();
}

/** Values and errors of a surface as cells again. */
function joined(values: Readonly<Record<string, unknown>>, errors: FeatureErrors | null): Cell[] {
  return view.layout.features.map(({ name, result }) => {
    const code = errorOf(errors, name);
    return code === undefined ? (carriedJson(result)(values[name]) ?? null) : CellError.of(code);
  });
}
const cellsOf = ({ values, errors }: ViewRead): Cell[] =>
  view.layout.features.map(({ name }, index) => {
    const code = errorOf(errors, name);
    return code === undefined ? values[index]! : CellError.of(code);
  });

function exported(more: Partial<TrainingOptions>): Promise<TrainingManifest> {
  return exportTrainingSet({
    service: { name: 'model', blocks: [blockOf(view)] },
    spine: '',
    out: join(world.folder, 'set.parquet'),
    mode: 'event-time',
    onError: 'null',
    overwrite: true,
    pool: world.pool,
    reader: world.reader,
    archiveDir: null,
    spillDir: world.folder,
    clock: world.clock,
    ...more,
  });
}

/** Holds a training set of the customers, in their order, to cells that were served. */
async function expectSet(expected: readonly (readonly Cell[])[]): Promise<void> {
  const { rows } = await readParquet(join(world.folder, 'set.parquet'));
  expect(rows).toHaveLength(expected.length);
  for (const [at, row] of rows.entries())
    for (const [index, { name, result }] of view.layout.features.entries())
      expect([name, row[`spending__${name}`]]).toEqual([name, expectedCell(result, expected[at]![index]!)]);
}

test(`what is served is what HTTP, training sets, the log and audits have, to the bit (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(purchase, { minLength: 1, maxLength: 25 }), async (purchases) => {
      await begin(purchases);
      const reads = await world.serve(CUSTOMERS.map((customer) => [customer]));
      const served = reads.map(cellsOf);
      const [nobody] = served.slice(-1);
      // One without events: 0 / 0 is no value, and the default is seen.
      expect(nobody).toEqual([
        0,
        0,
        null,
        null,
        'none',
        CellError.of('derived-failed'),
        null,
        null,
        new Date(NOW_US / 1000).getUTCHours(),
        '["none"]',
        null,
        false,
      ]);

      const client = createClient({ pool: world.pool, clock: world.clock });
      const [first] = await client.getMany(spending, [{ customer: 'ana' }], { at: NOW_US });
      const chosen = await client.get(spending, { customer: 'ana' }, { at: NOW_US, features: ['seen', 'n_1d'] });
      await client.close();
      expect(Object.keys(first!.values)).toEqual(view.layout.features.map(({ name }) => name));
      expect(first!.errors).toEqual(reads[0]!.errors);
      const { since, hour, share } = first!.values;
      expect(cellsOf(reads[0]!).slice(5, 7)).toEqual([share ?? CellError.of('derived-failed'), since]);
      expect(hour).toBe(served[0]![8]);
      expect(chosen.values).toEqual({ seen: served[0]![10], n_1d: served[0]![0] });

      const definitions = { services: new Map(), views: new Map([[view.name, view]]) };
      const api = await startApi({ pool: world.pool, clock: world.clock, definitions, logLevel: 'silent' });
      const entities = CUSTOMERS.map((customer) => ({ customer }));
      const response = await fetch(`${api.url}/v1/features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ features: ['spending'], entities, at: formatDateTime(NOW_US) }),
      });
      const text = await response.text();
      await api.close();
      expect([response.status, text.length > 0 && text.slice(0, 0)]).toEqual([200, '']);
      const { results } = JSON.parse(text) as {
        results: { views: Record<string, { values: Record<string, unknown>; errors: FeatureErrors | null }> }[];
      };
      const answers = results.map(({ views }) => views['spending']!);
      expect(answers.map(({ values, errors }) => joined(values, errors))).toEqual(served);

      const labels = join(world.folder, 'labels.csv');
      const lines = CUSTOMERS.map((customer) => `request-1,${customer},${formatDateTime(NOW_US)}`);
      await writeFile(labels, `request_id,customer,event_timestamp\n${lines.join('\n')}\n`);
      const manifest = await exported({ spine: labels });
      await expectSet(served);
      const failed = served.filter((cells) => cells[5] === CellError.of('derived-failed')).length;
      expect(manifest.views[0]!.features[5]).toMatchObject({ name: 'share', errors: { 'derived-failed': failed } });
      await exported({ spine: labels, requestColumn: 'request_id', servedTopic: SERVED_TOPIC, mode: 'as-served' });
      await expectSet(served);

      const audit = await world.audit();
      expect(audit.differences).toEqual([]);
      expect([audit.verdict, audit.reads]).toEqual(['equal', 3]);
    }),
    { seed, numRuns: 6 },
  );
});

const buy = (customer: Purchase['customer'], hour: number, note: Purchase['note'], amount = 1n): Purchase => ({
  customer,
  hour,
  note,
  amount,
});

test('an audit finds a derived value that is not what its features give, and says that other code gave it', async () => {
  await begin([buy('ana', 190, 'a'), buy('ana', 191, '')]);
  const at = view.layout.features.findIndex(({ name }) => name === 'hour');
  await world.serve([['ana']], {
    change: (read) => ({ ...read, values: read.values.map((value, index) => (index === at ? 77 : value)) }),
  });
  const { differences } = await world.audit();
  expect(differences).toEqual([
    expect.objectContaining({
      cause: 'definition-version',
      cells: [{ feature: 'hour', expected: new Date(NOW_US / 1000).getUTCHours(), received: 77 }],
      records: [],
    }),
  ]);
});

test('an audit of a stored value that is wrong tells of that, and not of what is derived of it', async () => {
  await begin([buy('ana', 190, 'a'), buy('ana', 191, '')]);
  const at = view.layout.features.findIndex(({ name }) => name === 'n_7d');
  const wrong = view.layout.features.findIndex(({ name }) => name === 'share');
  await world.serve([['ana']], {
    change: (read) => ({
      ...read,
      values: read.values.map((value, index) => (index === at ? 1 : index === wrong ? 2 : value)),
    }),
  });
  const { differences } = await world.audit();
  expect(differences).toHaveLength(1);
  expect(differences[0]!.cells.map(({ feature }) => feature)).toEqual(['n_7d']);
});

test('an explanation says of a derived feature what its function read, and why it failed', async () => {
  await begin([buy('ana', 190, 'odd', 2n ** 62n), buy('ana', 191, 'odd', 2n ** 62n)]);
  const { features } = await explainFeatures({
    view: view.name,
    code: codeOf([view]),
    pool: world.pool,
    reader: world.reader,
    archiveDir: null,
    key: ['ana'],
    spillDir: world.folder,
    clock: world.clock,
  });
  const of = (name: string): unknown => features.find((feature) => feature.name === name);
  expect(of('share')).toMatchObject({
    aggregate: 'derived',
    value: 1,
    replayed: 1,
    tiles: [],
    records: [],
    derivedFrom: { values: { n_1d: 2, n_7d: 2 }, failure: null },
  });
  expect(of('total_text')).toMatchObject({
    value: { error: 'input-error' },
    derivedFrom: { values: { total_7d: { error: 'value-out-of-range' } }, failure: null },
  });
  expect(of('wordy')).toMatchObject({
    value: { error: 'derived-failed' },
    derivedFrom: { values: { note: 'odd' }, failure: 'the function threw RangeError: odd' },
  });
});

test('SQL has the stored features, and says so', async () => {
  await begin([buy('ana', 190, 'a')]);
  const { rows } = await world.pool.query<Record<string, unknown>>('SELECT * FROM millrace.spending');
  expect(Object.keys(rows[0]!)).toEqual([
    'customer',
    'n_1d',
    'n_7d',
    'total_7d',
    'last_at',
    'note',
    'as_of',
    'ahead',
    'errors',
  ]);
  const { rows: told } = await world.pool.query<{ text: string }>(
    `SELECT obj_description('millrace.spending'::regclass) AS text`,
  );
  expect(told[0]!.text).toBe(
    'Stored features only. Derived ones are in clients, HTTP and training sets: share, since, total_text, hour, words, seen, wordy.',
  );
});

test('a function that throws fails no request: it is counted, and told with what it saw', async () => {
  await begin([buy('ana', 190, 'odd'), buy('bo', 190, 'a')]);
  const failed: (DerivedFailed | ServiceDerivedFailed)[] = [];
  const client = createClient({ pool: world.pool, clock: world.clock, onDerivedFailed: (each) => failed.push(each) });
  const [ana, bo] = await client.getMany(spending, [{ customer: 'ana' }, { customer: 'bo' }]);
  await client.close();
  expect([ana!.errors, ana!.values.wordy, ana!.values.n_7d]).toEqual([{ wordy: 'derived-failed' }, null, 1]);
  expect([bo!.errors, bo!.values.wordy]).toEqual([null, false]);
  expect(failed).toEqual([
    expect.objectContaining({
      view: 'spending',
      version: 1,
      feature: 'wordy',
      entity: { customer: 'ana' },
      reason: 'the function threw RangeError: odd',
      inputs: expect.objectContaining({ n_7d: 1, total_7d: 1n, note: 'odd', words: ['1', 'odd'] }) as unknown,
      atUs: NOW_US,
    }),
  ]);
});

test('an API without the code of what is derived gives what is stored, and names what is missing', async () => {
  await begin([buy('ana', 190, 'a')]);
  const api = await startApi({ pool: world.pool, clock: world.clock, logLevel: 'silent' });
  const ask = async (features: readonly string[]): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features, entity: { customer: 'ana' } }),
    });
    return { status: response.status, body: await response.json() };
  };
  try {
    expect(await ask(['spending.n_7d', 'spending.note'])).toMatchObject({
      status: 200,
      body: { results: [{ views: { spending: { values: { n_7d: 1, note: 'a' }, errors: null } } }] },
    });
    expect(await ask(['spending.hour'])).toMatchObject({
      status: 409,
      body: { code: 'definition-changed' },
    });
  } finally {
    await api.close();
  }
});
