import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Cell, CellError, isCellError, STATE_CORRUPT, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';
import { errorOf, type FeatureErrors } from '../../engine/values/feature-errors.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { carriedJson } from '../../engine/values/composite-text.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import type { CorruptRead } from '../../engine/online/view-read.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale, statesOf } from '../online/online-fixture.ts';
import { carriedValues } from '../online/carried-values.ts';
import { asCarried, exactText, expectedText } from '../online/sql-values-as-text.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { expectedCell, readParquet } from '../training/training-fixture.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

const ENTITIES = 100;
const TOO_LARGE = 17n;
const CHANGED_BYTE = 42n;
const SERVED = 'served';

const rows = Array.from({ length: 4 * ENTITIES }, (_, n) =>
  sale(n, { shop: 'north', number: BigInt(n % ENTITIES), at: NOW_US - 1 - n * 60_000_000 }),
);
const large = Array.from({ length: 3 }, (_, n) =>
  sale(n, { id: `large ${n}`, shop: 'north', number: TOO_LARGE, total: 2n ** 62n, at: NOW_US - 1 - n }),
);
const numbers = Array.from({ length: ENTITIES }, (_, n) => BigInt(n));

let database: OwnDatabase;
let folder: string;
let view: CompiledView;
let broker: MemoryBroker;
let servingLog: ServingLog;
let client: FeatureClient;
let api: RunningApi;
let expected: Cell[][];
const corruptByClient: CorruptRead[] = [];
const corruptByApi: CorruptRead[] = [];

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-errors-'));
  await migrateToLatest(database.pool);
  [view] = (await compiled(productSales)) as [CompiledView];
  await publish(database.pool, view, [...rows, ...large]);
  await changeByte();
  broker = new MemoryBroker();
  broker.createTopic(SERVED, 1);
  servingLog = new ServingLog({
    writer: {
      send: async (topic, records) =>
        broker.append(
          topic,
          0,
          records.map(({ key, value, timestampMs }) => ({ key, value, timestampUs: timestampMs * 1000 })),
        ),
      close: async () => undefined,
    },
    topic: SERVED,
    clock: fixedClock,
    logId: 'log',
    sample: 1,
  });
  const shared = { pool: database.pool, clock: fixedClock, servingLog };
  client = createClient({ ...shared, onCorrupt: (found) => corruptByClient.push(found) });
  api = await startApi({ ...shared, onCorrupt: (found) => corruptByApi.push(found) });
  expected = expectedCells();
});
afterAll(async () => {
  await api.close();
  await client.close();
  await servingLog.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** One bit of one row, so that its bytes still are a state, and one of other values. */
async function changeByte(): Promise<void> {
  const table = stateTable('product_sales_v1');
  const reducer = createViewReducer(view.layout);
  const { rows: found } = await database.pool.query<{ state: Buffer }>(
    `SELECT state FROM ${table} WHERE number = ${CHANGED_BYTE}`,
  );
  const { state } = found[0]!;
  const before = reducer.read(reducer.decode(state), NOW_US);
  for (let at = 5; at < state.length; at++) {
    const changed = Buffer.from(state);
    changed[at]! ^= 2;
    let after: Cell[];
    try {
      after = reducer.read(reducer.decode(changed), NOW_US);
    } catch {
      continue;
    }
    if (after.every((cell, index) => Object.is(cell, before[index]))) continue;
    await database.pool.query(`UPDATE ${table} SET state = $1 WHERE number = ${CHANGED_BYTE}`, [changed]);
    return;
  }
  throw new Error('no byte of the state can be changed unseen');
}

/** By entity number: what the engine reads of the states as they were written, but for the row that was changed. */
function expectedCells(): Cell[][] {
  const reducer = createViewReducer(view.layout);
  const states = new Map([...statesOf(view, [...rows, ...large]).values()].map(({ key, state }) => [key[1], state]));
  return numbers.map((number) =>
    number === CHANGED_BYTE ? view.layout.features.map(() => STATE_CORRUPT) : reducer.read(states.get(number)!, NOW_US),
  );
}

/** Values and errors of a surface as cells again. */
function joined(values: readonly ScalarValue[], errors: FeatureErrors | null): Cell[] {
  return view.layout.features.map(({ name }, index) => {
    const code = errorOf(errors, name);
    if (code === undefined) return values[index]!;
    expect(values[index]).toBe(null);
    return CellError.of(code);
  });
}

function expectSame(actual: readonly (readonly Cell[])[]): void {
  expect(actual).toHaveLength(ENTITIES);
  const differing: unknown[] = [];
  for (const [entity, cells] of actual.entries())
    for (const [index, cell] of cells.entries())
      if (!Object.is(cell, expected[entity]![index])) differing.push({ entity, index, cell });
  expect(differing).toEqual([]);
}

describe('of 100 entities one sum is too large and one state has a changed byte', () => {
  it('the engine has an error of one feature of the one', () => {
    const wrong = expected.flatMap((cells, entity) =>
      cells.flatMap((cell, index) => (isCellError(cell) ? [[entity, view.layout.features[index]!.name, cell]] : [])),
    );
    expect(wrong.filter(([entity]) => entity !== Number(CHANGED_BYTE))).toEqual([
      [Number(TOO_LARGE), 'total_sum_7d', VALUE_OUT_OF_RANGE],
    ]);
    expect(wrong).toHaveLength(1 + view.layout.features.length);
  });

  it('the typed client gives the other 98, and names both', async () => {
    const keys = numbers.map((number) => ({ shop: 'north', number }));
    const reads = await client.getMany(productSales, keys, { requestId: 'by-client' });
    expectSame(reads.map(({ values, errors }) => joined(carriedValues(view.layout.features, values), errors)));
    expect(reads.filter(({ errors }) => errors !== null).map(({ errors }) => errors)).toEqual([
      { total_sum_7d: 'value-out-of-range' },
      { '*': 'state-corrupt' },
    ]);
    expect(reads[Number(CHANGED_BYTE)]).toMatchObject({ found: true, ahead: false, seq: 0 });
    expect(corruptByClient).toEqual([
      {
        view: 'product_sales',
        version: 1,
        entity: { shop: 'north', number: '42' },
        seq: 0,
        reason: expect.stringContaining('checksum') as string,
      },
    ]);
  });

  it('HTTP gives the same, and counts both', async () => {
    const entities = numbers.map((number) => ({ shop: 'north', number: String(number) }));
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'by-http' },
      body: JSON.stringify({ features: ['product_sales'], entities }),
    });
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as FeaturesResponse;
    const answers = results.map(({ views }) => views['product_sales']!);
    const parse = view.layout.features.map(({ result }) => carriedJson(result));
    expectSame(
      answers.map(({ values, errors }) => {
        const parsed = Object.values(values).map((value, index) => (value === null ? null : parse[index]!(value)));
        return joined(parsed as ScalarValue[], errors as FeatureErrors | null);
      }),
    );
    expect(Object.keys(answers[0]!)).toContain('errors');
    expect(answers.filter(({ errors }) => errors === null)).toHaveLength(ENTITIES - 2);
    expect(corruptByApi).toHaveLength(1);
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(metrics).toContain('millrace_read_errors_total{view="product_sales",code="value-out-of-range"} 1');
    expect(metrics).toContain('millrace_read_errors_total{view="product_sales",code="state-corrupt"} 1');
  });

  it('HTTP says so of the features that are asked for', async () => {
    const ask = async (...features: string[]): Promise<unknown> => {
      const body = { features, entity: { shop: 'north', number: String(TOO_LARGE) } };
      const response = await fetch(`${api.url}/v1/features`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return ((await response.json()) as FeaturesResponse).results[0]!.views['product_sales']!.errors;
    };
    expect(await ask('product_sales.total_last')).toBe(null);
    expect(await ask('product_sales.total_last', 'product_sales.total_sum_7d')).toEqual({
      total_sum_7d: 'value-out-of-range',
    });
  });

  it('SQL gives the same, and never raises', async () => {
    const { features } = view.layout;
    const columns = features.map((feature) => exactText(feature.result, feature.name)).join(', ');
    const time = `timestamptz '1970-01-01 00:00:00+00' + ${NOW_US} * interval '1 microsecond'`;
    const { rows: found } = await database.pool.query<[FeatureErrors | null, ...(string | null)[]]>({
      text: `SELECT errors, ${columns} FROM millrace.product_sales_at(${time}) ORDER BY number`,
      rowMode: 'array',
    });
    const textOf = (cell: Cell, index: number): unknown =>
      isCellError(cell) ? cell : expectedText(features[index]!.result, cell);
    expect(
      found.map(([errors, ...texts]) =>
        joined(
          texts.map((text, index) => asCarried(features[index]!.result, text)),
          errors,
        ),
      ),
    ).toEqual(expected.map((cells) => cells.map(textOf)));
    // The view is about now: nothing is in a window, and the state is as corrupt.
    const { rows: now } = await database.pool.query<{ number: number; errors: unknown }>(
      'SELECT number, errors FROM millrace.product_sales WHERE errors IS NOT NULL',
    );
    expect(now).toEqual([{ number: Number(CHANGED_BYTE), errors: { '*': 'state-corrupt' } }]);
  });

  it('a training set of what was served ends with both errors named, or has null for them, and counts them', async () => {
    await servingLog.close();
    const spine = join(folder, 'labels.csv');
    const lines = numbers.flatMap((number) => [`by-client,north,${number}`, `by-http,north,${number}`]);
    await writeFile(spine, `request_id,shop,number\n${lines.join('\n')}\n`);
    const exported = (more: Partial<TrainingOptions> = {}): Promise<TrainingManifest> =>
      exportTrainingSet({
        service: { name: 'model', blocks: plainBlocks([view]) },
        spine,
        out: join(folder, 'set.parquet'),
        mode: 'as-served',
        requestColumn: 'request_id',
        servedTopic: SERVED,
        pool: database.pool,
        archiveDir: null,
        reader: createMemoryLogReader(broker),
        spillDir: folder,
        clock: fixedClock,
        ...more,
      });
    await expect(exported()).rejects.toMatchObject({
      code: 'state-corrupt',
      message: expect.stringMatching(
        /feature "sales_1d" of view "product_sales": state-corrupt in spine row 85 \(shop=north number=42\) and 1 more.*feature "total_sum_7d" of view "product_sales": value-out-of-range in spine row 35 \(shop=north number=17\) and 1 more/s,
      ) as string,
    });
    const manifest = await exported({ onError: 'null' });
    for (const { name, errors } of manifest.views[0]!.features) {
      expect(errors).toEqual({
        'state-corrupt': 2,
        ...(name === 'total_sum_7d' ? { 'value-out-of-range': 2 } : {}),
      });
    }
    const { rows: written } = await readParquet(join(folder, 'set.parquet'));
    const differing = written.flatMap((row, at) =>
      view.layout.features.flatMap(({ name, result }, index) => {
        const cell = expected[Math.floor(at / 2)]![index]!;
        const value = row[`product_sales__${name}`];
        return isDeepStrictEqual(value, expectedCell(result, cell)) ? [] : [{ at, name, value }];
      }),
    );
    expect(written).toHaveLength(2 * ENTITIES);
    expect(differing).toEqual([]);
  });
});
