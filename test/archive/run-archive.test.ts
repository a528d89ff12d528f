import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { systemClock } from '../../engine/values/clock.ts';
import { z } from 'zod';
import type { ArchiveProgress } from '../../engine/archive/archive-options.ts';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { fenceArchive } from '../../engine/archive/fence-archive.ts';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { createMemoryLogReader } from '../stream/memory-log.ts';
import { codeOf } from '../kafka/log-reader-conformance.ts';
import {
  appendPurchases,
  type ArchiveWorld,
  asText,
  nextFence,
  openArchiveWorld,
  purchase,
  readBetween,
} from './archive-fixture.ts';
import { manifestRanges, namedFiles, withDuckDb } from './archive-look.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl);
});
afterEach(() => world.close());

describe('runArchive', () => {
  test('copies what there is, in files of the size asked for, and says what is where', async () => {
    const { broker, topic, pool, source, reader, archived } = world;
    appendPurchases(broker, topic, 0, 0, 500);
    appendPurchases(broker, topic, 1, 0, 130);
    const before = await readBetween(reader, topic, [0, 0], [500, 130]);
    expect(await world.archive({ roll: { rows: 200 } })).toEqual({
      ended: 'present-end',
      records: 630,
      files: 3,
      lag: 0,
      holes: [],
      waiting: null,
    });
    broker.deleteBefore(topic, 0, 420);
    broker.deleteBefore(topic, 1, 130);
    expect((await archived.bounds(topic)).partitions.map(({ lowOffset }) => lowOffset)).toEqual([0, 0]);
    const after = await readBetween(archived, topic, [0, 0], [500, 130]);
    expect(after.map((records) => records.map(asText))).toEqual(before.map((records) => records.map(asText)));
    const status = await archiveStatus({ pool, source, reader });
    expect(status).toMatchObject({ source: 'purchases', topic, clusterId: 'memory-cluster', files: 3, rows: 630 });
    expect(status.partitions).toMatchObject([
      { ranges: [{ fromOffset: 0, untilOffset: 500, rows: 500 }], holes: [], lag: 0, lowOffset: 420, endOffset: 500 },
      { ranges: [{ fromOffset: 0, untilOffset: 130, rows: 130 }], holes: [], lag: 0, lowOffset: 130, endOffset: 130 },
    ]);
    appendPurchases(broker, topic, 1, 130, 150);
    expect((await archiveStatus({ pool, source, reader })).partitions.map(({ lag }) => lag)).toEqual([0, 20]);
    expect(await world.archive()).toMatchObject({ records: 20, files: 1 });
    expect(await world.archive()).toMatchObject({ records: 0, files: 0 });
  });

  test('rolls by bytes, and by age while nothing more comes', async () => {
    const { broker, topic, source, pool } = world;
    appendPurchases(broker, topic, 0, 0, 300);
    expect((await world.archive({ roll: { bytes: 3_000 } })).files).toBeGreaterThan(3);
    appendPurchases(broker, topic, 0, 300, 310);
    const stop = new AbortController();
    const result = await world.archive({
      until: 'forever',
      signal: stop.signal,
      roll: { ageMs: 20 },
      limits: { progressEveryMs: 5 },
      onProgress: ({ records }) => records === 10 && stop.abort(),
    });
    expect(result).toMatchObject({ ended: 'aborted', records: 10, files: 1, lag: 0 });
    expect((await manifestRanges(pool, source.name)).at(-1)).toMatchObject({ from: 300, until: 310 });
  });

  test('what was read before an abort or the deadline is still written', async () => {
    const { broker, topic } = world;
    appendPurchases(broker, topic, 0, 0, 50);
    const stop = new AbortController();
    const aborted = await world.archive({
      until: 'forever',
      signal: stop.signal,
      limits: { progressEveryMs: 5 },
      onProgress: ({ buffered }) => buffered === 50 && stop.abort(),
    });
    expect(aborted).toMatchObject({ ended: 'aborted', records: 50, lag: 0 });
    appendPurchases(broker, topic, 0, 50, 90);
    let passedMs = 0;
    const late = await world.archive({
      until: 'forever',
      deadlineMs: 60_000,
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs },
      limits: { progressEveryMs: 5 },
      onProgress: ({ buffered }) => {
        if (buffered === 40) passedMs = 60_000;
      },
    });
    expect(late).toMatchObject({ ended: 'deadline', records: 40 });
  });

  test('a partition that is added is picked up; one that lost its first records then is a hole', async () => {
    const { broker, topic, archived } = world;
    appendPurchases(broker, topic, 0, 0, 20);
    const stop = new AbortController();
    let added = false;
    const seen: ArchiveProgress[] = [];
    const result = await world.archive({
      until: 'forever',
      signal: stop.signal,
      roll: { ageMs: 10 },
      limits: { progressEveryMs: 5, boundsEveryMs: 10 },
      onProgress: (progress) => {
        seen.push(progress);
        if (progress.records === 20 && !added) {
          added = true;
          broker.addPartition(topic);
          appendPurchases(broker, topic, 2, 0, 30);
          broker.deleteBefore(topic, 2, 4);
          broker.kick();
        }
        if (progress.records === 46) stop.abort();
      },
    });
    expect(result).toMatchObject({
      records: 46,
      lag: 0,
      holes: [{ partition: 2, fromOffset: 0, untilOffset: 4, reason: 'retention' }],
    });
    expect(seen.at(-1)?.offsets).toContainEqual({ partition: 2, nextOffset: 30, endOffset: 30 });
    broker.deleteBefore(topic, 2, 30);
    expect((await archived.bounds(topic)).partitions[2]?.lowOffset).toBe(4);
  });

  test('records that are deleted while it reads are a recorded hole, and those after it come', async () => {
    const { broker, topic } = world;
    appendPurchases(broker, topic, 0, 0, 200);
    let deleted = false;
    const result = await world.archive({
      roll: { rows: 64 },
      failAt: (point) => {
        if (point !== 'after-fetch' || deleted) return;
        deleted = true;
        broker.deleteBefore(topic, 0, 150);
      },
    });
    expect(result).toMatchObject({
      ended: 'present-end',
      records: 64 + 50,
      holes: [{ partition: 0, fromOffset: 64, untilOffset: 150, reason: 'retention' }],
    });
  });

  test('a second starter ends the first; a fence ends both, for ever', async () => {
    const { broker, topic, pool, source, archiveDir } = world;
    appendPurchases(broker, topic, 0, 0, 100);
    const older = nextFence();
    const newer = nextFence();
    const second: unknown[] = [];
    const first = await world.archive({
      fence: older,
      roll: { rows: 64 },
      failAt: async (point) => {
        if (point === 'after-rename' && second.length === 0) second.push(await world.archive({ fence: newer }));
      },
    });
    expect(first).toMatchObject({ ended: 'superseded', records: 0 });
    expect(second).toMatchObject([{ ended: 'present-end', records: 100 }]);
    const files = await readdir(join(archiveDir, source.name));
    expect(files.map((name) => `${source.name}/${name}`)).toEqual(await namedFiles(pool, source.name));
    expect(await world.archive({ fence: older })).toMatchObject({ ended: 'superseded' });
    await fenceArchive({ pool, source: source.name, generation: newer.generation + 1 });
    expect(await world.archive({ fence: { ...newer, attemptMs: 99 } })).toMatchObject({ ended: 'superseded' });
    await fenceArchive({ pool, source: 'never_archived', generation: 5 });
    const early = { generation: 4, attemptMs: 1, owner: 'early' };
    expect(await world.archive({ source: { ...source, name: 'never_archived' }, fence: early })).toMatchObject({
      ended: 'superseded',
    });
  });

  test('a broker that is away is waited for', async () => {
    const { broker, topic } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    const away = new MillraceError('service-unreachable', 'the broker is away', { remedy: 'Wait.', retryable: true });
    broker.down = away;
    const states: string[] = [];
    const result = await world.archive({
      limits: { retryMinMs: 1, retryMaxMs: 2, progressEveryMs: 1 },
      onProgress: ({ state, waitingFor }) => {
        states.push(`${state} ${waitingFor ?? ''}`);
        if (state === 'waiting') broker.down = null;
      },
    });
    expect(result).toMatchObject({ ended: 'present-end', records: 10 });
    expect(states).toContain('waiting the broker is away');
  });

  test('a database that goes away while a file is counted, and the next is being filled: read again, once', async () => {
    const { broker, topic, pool, source } = world;
    appendPurchases(broker, topic, 0, 0, 1_000);
    let commits = 0;
    const away = new MillraceError('service-unreachable', 'the database is away', { remedy: 'Wait.', retryable: true });
    const result = await world.archive({
      roll: { rows: 64 },
      limits: { retryMinMs: 1, retryMaxMs: 2 },
      failAt: (point) => {
        // Before the commit nothing was counted; after it, it was, and its maker does not know.
        if ((point === 'before-commit' || point === 'after-commit') && ++commits % 5 === 0) throw away;
      },
    });
    expect(result).toMatchObject({ ended: 'present-end', lag: 0, holes: [] });
    const ranges = await manifestRanges(pool, source.name);
    expect([0, ...ranges.map(({ until }) => until)]).toEqual([...ranges.map(({ from }) => from), 1_000]);
  });
});

describe('an archived file', () => {
  test('has the contract by its types, whatever its fields are called, and the raw bytes of every record', async () => {
    const contract = compileContract(
      z.object({
        id: z.string(),
        at: z.iso.datetime({ offset: true }),
        key: z.int(),
        Value: z.int64(),
        price: decimal(12, 3),
        ratio: z.number(),
        on: z.boolean(),
        kind: z.enum(['a', 'b']),
        day: z.iso.date(),
        tags: z.array(z.string().nullable()),
        place: z.object({ lat: z.number(), Lat: z.int().optional() }),
        note: z.string().nullable().optional(),
      }),
    );
    const { broker, topic, pool, archiveDir } = world;
    const row = {
      id: 'ü',
      at: '2026-03-04T05:06:07.123456+02:00',
      key: -7,
      Value: '9223372036854775807',
      price: '-12.5',
      ratio: 0.1,
      on: true,
      kind: 'b',
      day: '1969-12-31',
      tags: ['x', null],
      place: { lat: 1.5, Lat: 3 },
    };
    const invalid = Buffer.from([0, 1, 0xff]);
    broker.append(topic, 0, [
      { key: Buffer.alloc(0), value: Buffer.from(JSON.stringify(row)), timestampUs: 1_700_000_000_123_000 },
      { key: null, value: invalid },
      { key: Buffer.from('k'), value: null },
      { value: Buffer.alloc(0) },
    ]);
    const source = { ...world.source, name: 'typed', contract };
    await world.archive({ source });
    const [path] = await namedFiles(pool, 'typed');
    const file = join(archiveDir, path!);
    expect((await readFile(file)).subarray(0, 4).toString()).toBe('PAR1');
    await withDuckDb(async (duckdb) => {
      const columns = await duckdb.query<{ column_name: string; column_type: string }>(
        'DESCRIBE SELECT * FROM read_parquet($1)',
        [file],
      );
      expect(columns.map(({ column_name, column_type }) => `${column_name} ${column_type}`)).toEqual([
        'partition INTEGER',
        'offset BIGINT',
        'broker_timestamp TIMESTAMP WITH TIME ZONE',
        'key BLOB',
        'value BLOB',
        'valid BOOLEAN',
        'id VARCHAR',
        'at TIMESTAMP WITH TIME ZONE',
        'field_key BIGINT',
        'field_Value BIGINT',
        'price DECIMAL(12,3)',
        'ratio DOUBLE',
        'on BOOLEAN',
        'kind VARCHAR',
        'day DATE',
        'tags VARCHAR[]',
        'place STRUCT(lat DOUBLE, field_Lat BIGINT)',
        'note VARCHAR',
      ]);
      const rows = await duckdb.query<{ line: string }>(
        `SELECT to_json(r)::VARCHAR AS line FROM (
           SELECT * REPLACE (epoch_us(broker_timestamp) AS broker_timestamp, epoch_us("at") AS "at", hex(key) AS key, hex(value) AS value)
           FROM read_parquet($1) ORDER BY "offset") r`,
        [file],
      );
      const parsed = rows.map(({ line }) => JSON.parse(line) as Record<string, unknown>);
      expect(parsed[0]).toMatchObject({
        partition: 0,
        offset: 0,
        broker_timestamp: 1_700_000_000_123_000,
        key: '',
        valid: true,
        id: 'ü',
        at: Date.parse('2026-03-04T03:06:07.123Z') * 1000 + 456,
        field_key: -7,
        price: -12.5,
        ratio: 0.1,
        on: true,
        kind: 'b',
        day: '1969-12-31',
        tags: ['x', null],
        place: { lat: 1.5, field_Lat: 3 },
        note: null,
      });
      expect(rows[0]!.line).toContain('"field_Value":9223372036854775807');
      expect(parsed.slice(1).map(({ key, value, valid, id }) => ({ key, value, valid, id }))).toEqual([
        { key: null, value: '0001FF', valid: false, id: null },
        { key: '6B', value: null, valid: false, id: null },
        { key: null, value: '', valid: false, id: null },
      ]);
    });
    broker.deleteBefore(topic, 0, 4);
    const reader = createMemoryLogReader(broker);
    expect(await codeOf(readBetween(reader, topic, [0], [4]))).toBe('offset-out-of-range');
    const [records] = await readBetween(world.archived, topic, [0], [4]);
    expect(records!.map(({ key }) => key?.length ?? null)).toEqual([0, null, 1, null]);
    expect(Buffer.from(records![1]!.value!).equals(invalid)).toBe(true);
  });

  test('large and many values, in any mixture of lengths, come back byte for byte', async () => {
    const { broker, topic, reader, archived } = world;
    const lengths = [0, 1, 11, 12, 13, 14, 200, 70_000, 3_000_000, 5];
    for (let index = 0; index < 6_000; index++) {
      const length = lengths[index % 500 === 499 ? Math.floor(index / 500) % 10 : (index * 7) % 7]!;
      const { key } = purchase(index);
      broker.append(topic, 0, [
        {
          key: index % 4 === 0 ? Buffer.alloc(index % 30, index) : (key ?? null),
          value: index % 13 === 0 ? null : Buffer.alloc(length, index),
        },
      ]);
    }
    const before = (await readBetween(reader, topic, [0], [6_000])).flat();
    await world.archive({ roll: { rows: 2_500 } });
    broker.deleteBefore(topic, 0, 6_000);
    const after = (await readBetween(archived, topic, [0], [6_000])).flat();
    expect(after.length).toBe(6_000);
    expect(after.every((record, index) => asText(record) === asText(before[index]!))).toBe(true);
  });
});
