import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { HistoryCase } from './history-case.ts';

const history = new HistoryCase();
const FILES = 3000;

it('plans and reads 3,000 files of two rows with 1,024 file handles, one handle after the other', async () => {
  const folder = await history.files({});
  for (let day = 0; day < 60; day++) {
    const at = join(folder, `day=${day}`);
    await mkdir(at, { recursive: true });
    await history.duckdb.run(
      `COPY (SELECT ${day} * 100 + i AS id, make_timestamptz((${day} * 100 + i) * 1000000) AS "at", i // 2 AS part FROM range(100) r(i))
       TO '${at}' (FORMAT parquet, PARTITION_BY (part), OVERWRITE_OR_IGNORE)`,
    );
  }
  const child = join(import.meta.dirname, 'many-files-child.ts');
  const { stdout } = await promisify(execFile)('/bin/sh', [
    '-c',
    'ulimit -n 1024 && exec "$@"',
    'sh',
    process.execPath,
    child,
    join(folder, '*/*/*.parquet'),
  ]);
  expect(JSON.parse(stdout)).toEqual({
    faults: [],
    sample: { rows: 40, of: FILES * 2, invalid: 0 },
    any: { files: FILES, rows: FILES * 2, sum: (FILES * 2 * (FILES * 2 - 1)) / 2, inOrder: true },
    'event-time': { files: FILES, rows: FILES * 2, sum: (FILES * 2 * (FILES * 2 - 1)) / 2, inOrder: true },
    days: 60,
  });
});
