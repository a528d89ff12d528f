import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { z } from 'zod';
import type { LogCounts } from '../../engine/admission/log-counts.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { compileSource } from '../../engine/define/compile-source.ts';
import type { SourceFacts } from '../../engine/define/source.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import type { ScanOrder } from '../../engine/history/history-run.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { systemClock } from '../../engine/values/clock.ts';

/** What a scan of a history came to. */
export interface Scanned {
  readonly rows: Record<string, unknown>[];
  readonly ids: (string | null)[];
  readonly positions: number[];
  readonly invalid: { position: number; reasons: readonly string[]; payload: string }[];
  readonly counts: LogCounts;
}

/** A folder of history files and a DuckDB to make and read them with, for one test file. */
export class HistoryCase {
  duckdb!: DuckDb;
  folder = '';
  #folders = 0;

  constructor() {
    beforeAll(async () => {
      this.folder = await mkdtemp(join(tmpdir(), 'millrace-files-'));
      this.duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(this.folder, 'spill') });
    });
    afterAll(async () => {
      await this.duckdb.close();
      await rm(this.folder, { recursive: true, force: true });
    });
  }

  /** Writes files, each from text, bytes or (Parquet) a SELECT, below a folder of their own; gives that. */
  async files(contents: Readonly<Record<string, string | Buffer>>): Promise<string> {
    const at = join(this.folder, `case-${++this.#folders}`);
    await mkdir(at, { recursive: true });
    for (const [name, content] of Object.entries(contents)) {
      const path = join(at, name);
      await mkdir(dirname(path), { recursive: true });
      const isSql = name.endsWith('.parquet') && typeof content === 'string';
      if (isSql) await this.duckdb.run(`COPY (${content}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`);
      else await writeFile(path, content);
    }
    return at;
  }

  async scan(of: CompiledSource, order: ScanOrder = 'any'): Promise<Scanned> {
    const invalid: Scanned['invalid'] = [];
    const scan = scanHistory({
      source: of,
      order,
      duckdb: this.duckdb,
      listings: listingsOfProcess(systemClock),
      onInvalid: (position, _file, reasons, payload) => invalid.push({ position, reasons, payload }),
    });
    const found: { row: Record<string, unknown>; id: string | null; position: number }[] = [];
    for await (const batch of scan) {
      for (const { row, id, offset } of batch) found.push({ row: { ...row }, id, position: offset });
    }
    if (order !== 'event-time') found.sort((a, b) => a.position - b.position);
    return {
      rows: found.map(({ row }) => row),
      ids: found.map(({ id }) => id),
      positions: found.map(({ position }) => position),
      invalid,
      counts: scan.figures.counts,
    };
  }
}

/** The contract that most cases build on. */
export const AT = { id: z.string(), at: z.iso.datetime() };

/** A source compiled as definitions are; a fault of it fails the test. */
export function sourceOf(
  members: z.core.$ZodLooseShape,
  history: NonNullable<SourceFacts['history']>,
  options: Partial<SourceFacts> = {},
): CompiledSource {
  const facts: SourceFacts = { schema: z.object(members), eventTime: 'at', history, ...options };
  return compileSource({ kind: 'source', name: 'cases', options: facts }, '/', (code, path, message) => {
    throw new Error(`${code} at ${path}: ${message}`);
  }).source;
}
