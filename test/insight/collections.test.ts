import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { distributionOf } from '../../engine/insight/distribution.ts';
import { readValues } from '../../engine/insight/feature-values.ts';
import { numberRows } from '../../engine/insight/row-columns.ts';
import { strengthOf } from '../../engine/insight/strength.ts';
import { LABELS_TABLE } from '../../engine/training/spine-labels.ts';
import type { ResultType } from '../../engine/values/result-type.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-collections-'));
let duckdb: DuckDb | null = null;

afterEach(async () => {
  await duckdb?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ROWS = ['["a","b"]', '["b"]', null, '[]', '["b","b","ü"]'];
const MAPS = ['{"10":1,"2":0.5}', '{"2":3}', null, '{}', '{"__proto__":null,"2":1}'];

test('of lists and maps sizes are told, and what stands in the most rows', async () => {
  duckdb = await openDuckDb({ memoryMb: 256, tempDir: folder });
  const values = ROWS.map((list, row) => `(${row * 10}, ${text(list)}, ${text(MAPS[row]!)})`).join(', ');
  await duckdb.run(`CREATE TABLE staged AS SELECT * FROM (VALUES ${values}) AS v(row_number, f0, f1)`);
  await duckdb.run(`CREATE TABLE ${LABELS_TABLE} AS SELECT row_number FROM staged`);
  const { signal } = new AbortController();
  await numberRows(duckdb, signal);
  const read = async (column: string, type: ResultType) =>
    await readValues(duckdb!, { table: 'staged', column, type }, ROWS.length, signal);

  const lists = await read('f0', { kind: 'list', item: { kind: 'string' } });
  expect(distributionOf(lists, false)).toEqual({
    kind: 'collection',
    sizes: { min: 0, p05: 0, p25: 0, p50: 1, p75: 2, p95: 3, max: 3 },
    distinct: 3,
    top: [
      { value: 'b', rows: 3 },
      { value: 'a', rows: 1 },
      { value: 'ü', rows: 1 },
    ],
  });
  const hidden = distributionOf(lists, true);
  expect(JSON.stringify(hidden)).toMatch(/hash:/);
  expect(JSON.stringify(hidden)).not.toContain('ü');

  const maps = await read('f1', { kind: 'map', key: { kind: 'string' }, value: { kind: 'double' } });
  expect(distributionOf(maps, false)).toMatchObject({
    distinct: 3,
    top: [
      { value: '2', rows: 3 },
      { value: '10', rows: 1 },
      { value: '__proto__', rows: 1 },
    ],
  });
  // By its size: the longer are the yes.
  const label = {
    kind: 'binary',
    column: 'l',
    codes: Int32Array.of(1, 0, 1, 0, 1),
    positive: '1',
    negative: '0',
  } as const;
  expect(strengthOf(lists, label)).toMatchObject({ measure: 'auc', value: 1, rows: 4 });
});

function text(value: string | null): string {
  return value === null ? 'NULL::VARCHAR' : `'${value}'`;
}
