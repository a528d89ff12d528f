import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogCounts } from '../../engine/admission/log-counts.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { order, orderSource, writeHistory } from './orders.ts';

let folder: string;
let duckdb: DuckDb;
let folders = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-history-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

const nextFolder = (): string => join(folder, `history-${++folders}`);

interface Scanned {
  readonly invalid: { position: number; reasons: readonly string[]; payload: string }[];
  readonly counts: LogCounts;
}

async function scanned(source: CompiledSource): Promise<Scanned> {
  const invalid: Scanned['invalid'] = [];
  const scan = scanHistory({
    source,
    order: 'any',
    duckdb,
    listings: listingsOfProcess(systemClock),
    onInvalid: (position, _file, reasons, payload) => invalid.push({ position, reasons, payload }),
  });
  for await (const _ of scan);
  return { invalid, counts: scan.figures.counts };
}

function historyOf(path: string, options: Partial<CompiledSource> = {}): CompiledSource {
  return orderSource({ history: { path, untilUs: null, disjoint: true }, ...options });
}

describe('a history that cannot be read', () => {
  const rejects = (source: CompiledSource, code: string, ...words: string[]): Promise<void> =>
    expect(scanned(source)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(
        new RegExp(words.map((word) => `(?=[^]*${word.replaceAll('.', '\\.')})`).join('')),
      ),
    });

  it('names a pattern that matches nothing, several formats, and an unknown one', async () => {
    const at = nextFolder();
    await rejects(historyOf(join(at, '*.parquet')), 'history-not-found', 'orders', '*.parquet'.replace('*', '\\*'));
    await writeHistory(duckdb, at, 'csv', [[order('a', 1, 1)]]);
    await writeHistory(duckdb, at, 'jsonl', [[order('a', 1, 1)]]);
    await rejects(historyOf(join(at, 'part*')), 'history-mixed-formats', 'part-0.csv', 'part-0.jsonl');
    await writeFile(join(at, 'other.txt'), '');
    await rejects(historyOf(join(at, '*.txt')), 'history-format-unknown', 'other.txt');
  });

  it('names a missing column, and a column of a type that cannot be the field', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    await writeFile(join(at, 'a.csv'), 'id,at,customer,amount,price,big,ratio,day\n');
    await rejects(historyOf(join(at, '*.csv')), 'history-column-missing', '"paid"', 'a.csv');
    await duckdb.run(
      `COPY (SELECT 'a' AS id, TIMESTAMP '2001-01-01' AS at, 5 AS Customer) TO '${join(at, 'a.parquet')}'`,
    );
    await rejects(historyOf(join(at, '*.parquet')), 'history-column-missing', '"customer", "amount"');
    const path = await writeHistory(duckdb, nextFolder(), 'parquet', [[order('a', 1, 1)]]);
    const file = path.replace('*', 'part-1');
    await duckdb.run(`COPY (SELECT * REPLACE (true AS amount) FROM '${path}') TO '${file}'`);
    await rejects(historyOf(file), 'column-type-mismatch', 'amount', 'BOOLEAN');
    await rejects(historyOf(path), 'column-type-mismatch', 'amount', 'part-1.parquet', 'BOOLEAN');
  });

  it('names a file that is not what its ending says', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    const header = 'id,at,customer,amount,price,big,ratio,paid,day\n';
    const files: Record<string, string | Buffer> = {
      'torn.parquet': 'PAR1 not really',
      'unclosed.csv': `${header}"a,1970-01-01T00:00:00Z,,1,,1,1,true,2001-01-01\n`,
      'short.csv': `${header}a,1970-01-01T00:00:00Z\n`,
      'latin.csv': Buffer.concat([
        Buffer.from(`${header}a,1970-01-01T00:00:00Z,`),
        Buffer.from([0xff]),
        Buffer.from(',1,,1,1,true,2001-01-01\n'),
      ]),
      'torn.jsonl.gz': 'not gzip at all',
    };
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(at, name), content);
      await rejects(historyOf(join(at, name)), 'history-unreadable', name);
    }
  });

  it('lets a line that is not JSON or not UTF-8 be an invalid row like any other', async () => {
    const at = nextFolder();
    await mkdir(at, { recursive: true });
    await writeFile(
      join(at, 'a.jsonl'),
      Buffer.concat([Buffer.from('{"id":\n'), Buffer.from([0x22, 0xff, 0x22, 0x0a])]),
    );
    const { invalid, counts } = await scanned(historyOf(join(at, 'a.jsonl')));
    expect(invalid.map(({ position, payload }) => [position, payload])).toEqual([
      [0, '{"id":'],
      [1, '"\uFFFD"'],
    ]);
    expect(counts).toMatchObject({ records: 2, invalid: 2 });
  });
});
