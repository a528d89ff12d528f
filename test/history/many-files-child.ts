/** Looks at a history of many files and scans it, in a process of its own with the limits it was given. Prints one JSON object. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { compileSource } from '../../engine/define/compile-source.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { inspectHistory } from '../../engine/history/inspect-history.ts';
import { systemClock } from '../../engine/values/clock.ts';

const schema = z.object({ id: z.int(), at: z.iso.datetime(), day: z.int() });
const history = { path: process.argv[2] ?? '', partitions: ['day'] };
const { source } = compileSource(
  { kind: 'source', name: 'many', options: { schema, eventTime: 'at', eventId: 'id', history } },
  '/',
  (code, path, message) => {
    throw new Error(`${code} at ${path}: ${message}`);
  },
);

async function scanned(order: 'any' | 'event-time', duckdb: Awaited<ReturnType<typeof openDuckDb>>): Promise<object> {
  let rows = 0;
  let sum = 0;
  let inOrder = true;
  let last = -1;
  const listings = listingsOfProcess(systemClock);
  const scan = scanHistory({ source, order, duckdb, listings, onInvalid: () => {} });
  for await (const batch of scan) {
    for (const { row, offset, eventTimeUs } of batch) {
      rows++;
      sum += row['id'] as number;
      days.add(row['day']);
      const next = order === 'any' ? offset : eventTimeUs;
      if (next < last) inOrder = false;
      last = next;
    }
  }
  return { files: scan.figures.files.length, rows, sum, inOrder };
}

const days = new Set<unknown>();
const spill = await mkdtemp(join(tmpdir(), 'millrace-many-'));
const duckdb = await openDuckDb({ memoryMb: 256, tempDir: spill });
try {
  const { faults, sample } = await inspectHistory(source, duckdb, { sample: 1000, nowUs: systemClock.nowUs() });
  const { rows, of, invalid } = sample ?? {};
  const any = await scanned('any', duckdb);
  const byTime = await scanned('event-time', duckdb);
  process.stdout.write(
    `${JSON.stringify({ faults, sample: { rows, of, invalid }, any, 'event-time': byTime, days: days.size })}\n`,
  );
} finally {
  await duckdb.close();
  await rm(spill, { recursive: true, force: true });
}
