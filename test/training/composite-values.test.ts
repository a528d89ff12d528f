import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBTimestampTZValue,
  type DuckDBValue,
} from 'duckdb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { FeatureStaging } from '../../engine/training/feature-staging.ts';
import { outputSql, outputSqlType } from '../../engine/training/scalar-sql.ts';
import { stagedStatistics } from '../../engine/training/staged-statistics.ts';
import { listText, mapText } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { isScalarType, type ResultType } from '../../engine/values/result-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { carriedOf, compositeTypes } from '../laws/result-arbitraries.ts';

let duckdb: DuckDb;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-composites-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

/** Values of a type, through the tables and the file of a training set: as the engine carries them, its elements in the order of the file. */
async function throughParquet(type: ResultType, values: readonly ScalarValue[]): Promise<ScalarValue[]> {
  const table = duckdb.newName('staged');
  const staging = await FeatureStaging.create(duckdb, table, [type]);
  for (const [row, value] of values.entries()) staging.append(row, [value]);
  staging.close();
  const out = join(folder, 'out.parquet');
  await duckdb.run(
    `COPY (SELECT ${outputSql(type, `${table}.f0`)} AS x FROM ${table} ORDER BY row_number) TO $1 (FORMAT parquet)`,
    [out],
  );
  const [column] = await duckdb.query<{ column_type: string }>('DESCRIBE SELECT * FROM read_parquet($1)', [out]);
  expect(column!.column_type.replaceAll('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ').replaceAll(' ', '')).toBe(
    outputSqlType(type).replaceAll(' ', ''),
  );
  const rows = await duckdb.query<{ x: DuckDBValue }>('SELECT x FROM read_parquet($1)', [out]);
  return rows.map(({ x }) => carried(type, x));
}

function carried(type: ResultType, value: DuckDBValue): ScalarValue {
  if (value === null) return null;
  if (value instanceof DuckDBListValue && type.kind === 'list')
    return listText(type)(value.items.map((item) => carried(type.item, item)));
  if (value instanceof DuckDBMapValue && type.kind === 'map')
    return mapText(type)(
      value.entries.map(({ key }) => carried(type.key, key) as NonNullable<ScalarValue>),
      value.entries.map(({ value: each }) => carried(type.value, each)),
    );
  expect(isScalarType(type)).toBe(true);
  if (value instanceof DuckDBTimestampTZValue) return Number(value.micros);
  if (value instanceof DuckDBDecimalValue) return value.toString();
  if (value instanceof DuckDBDateValue) return new Date(value.days * 86_400_000).toISOString().slice(0, 10);
  return type.kind === 'int' ? Number(value) : (value as ScalarValue);
}

describe.each(compositeTypes.map((type) => [nameOfType(type), type] as const))('a %s', (_, type) => {
  it('stands in Parquet to the bit, in its canonical order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(carriedOf(type)), { minLength: 1, maxLength: 100 }), async (values) => {
        expect(await throughParquet(type, values)).toEqual(values);
      }),
      lawRuns(5),
    );
  });
});

it('doubles of any bits', async () => {
  const type: ResultType = { kind: 'list', item: { kind: 'double' } };
  const bits = fc
    .bigInt({ min: 0n, max: 2n ** 64n - 1n })
    .map((each) => new Float64Array(new BigUint64Array([each]).buffer)[0]!);
  // Denormal ones too, and those between two that a careless reading would take for one another.
  const denormal = fc
    .bigInt({ min: 0n, max: 2n ** 52n - 1n })
    .map((each) => new Float64Array(new BigUint64Array([each]).buffer)[0]!);
  const doubles = fc
    .oneof(bits, denormal)
    .filter(Number.isFinite)
    .map((each) => each + 0);
  await fc.assert(
    fc.asyncProperty(fc.array(doubles, { minLength: 1_000, maxLength: 2_000, size: 'max' }), async (values) => {
      const text = listText(type)(values);
      expect(await throughParquet(type, [text])).toEqual([text]);
    }),
    lawRuns(10),
  );
});

it('a manifest tells how many elements lists and maps have', async () => {
  const list: ResultType = { kind: 'list', item: { kind: 'string' } };
  const map: ResultType = { kind: 'map', key: { kind: 'int' }, value: list };
  const table = duckdb.newName('staged');
  const types: ResultType[] = [{ kind: 'int' }, list, map, list];
  const staging = await FeatureStaging.create(duckdb, table, types);
  staging.append(0, [1, '[]', '{"1":["a","b"],"2":null}', null]);
  staging.append(1, [null, '["],[","b","c"]', '{"3":[]}', null]);
  staging.append(2, [null, '["a"]', null, null]);
  staging.close();
  expect(await stagedStatistics(duckdb, table, types)).toEqual({
    rows: 3,
    features: [
      { nulls: 2, elements: undefined },
      { nulls: 0, elements: { least: 0, most: 3, mean: 4 / 3 } },
      { nulls: 1, elements: { least: 1, most: 2, mean: 1.5 } },
      { nulls: 3, elements: null },
    ],
  });
});
