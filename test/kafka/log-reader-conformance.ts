import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogBatch, LogReader, RawRecord } from '../../engine/topic/log-reader.ts';

/** What the suite needs of an implementation: a reader, and a way to change the log behind it. */
export interface LogReaderFixture {
  readonly reader: LogReader;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Appends values (null: tombstone) to one partition; resolves when they can be read. */
  append(topic: string, partition: number, values: readonly (string | null)[]): Promise<void>;
  deleteBefore(topic: string, partition: number, offset: number): Promise<void>;
  /** The error for a position that was deleted. Default `offset-out-of-range`. */
  readonly deletedCode?: string;
  close(): Promise<void>;
}

/** Of all suites of a process: they may share a broker. */
let topics = 0;

/** The promises of the LogReader port, held against an implementation. */
export function describeLogReader(name: string, open: () => Promise<LogReaderFixture>): void {
  describe(`${name} keeps the promises of a log reader`, () => {
    let fixture: LogReaderFixture;
    beforeAll(async () => {
      fixture = await open();
    });
    afterAll(() => fixture.close());

    const newTopic = async (partitions: number): Promise<string> => {
      const topic = `conformance-${process.pid}-${Math.floor(performance.timeOrigin)}-${++topics}`;
      await fixture.createTopic(topic, partitions);
      return topic;
    };

    test('bounds: every partition, from 0 to its end', async () => {
      const topic = await newTopic(3);
      await fixture.append(topic, 1, ['a', 'b']);
      const bounds = await fixture.reader.bounds(topic);
      expect(bounds.clusterId).not.toBe('');
      expect(bounds.partitions).toEqual([
        { partition: 0, lowOffset: 0, endOffset: 0 },
        { partition: 1, lowOffset: 0, endOffset: 2 },
        { partition: 2, lowOffset: 0, endOffset: 0 },
      ]);
    });

    test('a topic that is not there: topic-not-found', async () => {
      expect(await codeOf(fixture.reader.bounds('no-such-topic'))).toBe('topic-not-found');
    });

    test('a bounded read gives [position, end) of each partition once, in order, and ends', async () => {
      const topic = await newTopic(3);
      for (const partition of [0, 1, 2]) await fixture.append(topic, partition, values(partition, 0, 700));
      const seen = await readAll(
        fixture.reader,
        topic,
        [
          [0, 0],
          [1, 123],
          [2, 5],
        ],
        [
          [0, 700],
          [1, 124],
          [2, 650],
        ],
      );
      expect(seen.get(0)?.map(({ offset }) => offset)).toEqual(range(0, 700));
      expect(seen.get(1)?.map(text)).toEqual(['p1-123']);
      expect(seen.get(2)?.map(text)).toEqual(values(2, 5, 650));
    });

    test('only the partitions asked for; nothing where position and end are the same', async () => {
      const topic = await newTopic(2);
      await fixture.append(topic, 0, ['a']);
      await fixture.append(topic, 1, ['b']);
      expect([...(await readAll(fixture.reader, topic, [[1, 0]], [[1, 1]])).keys()]).toEqual([1]);
      expect((await readAll(fixture.reader, topic, [[0, 1]], [[0, 1]])).size).toBe(0);
    });

    test('keys, values, tombstones, empty and large values, timestamps come as they are', async () => {
      const topic = await newTopic(1);
      const large = 'x'.repeat(900_000);
      await fixture.append(topic, 0, ['', null, 'ü\u0000', large]);
      const records = (await readAll(fixture.reader, topic, [[0, 0]], [[0, 4]])).get(0)!;
      expect(records[0]?.value?.length).toBe(0);
      expect(records[1]?.value).toBeNull();
      expect(text(records[2]!)).toBe('ü\u0000');
      expect(text(records[3]!)).toBe(large);
      for (const { timestampUs } of records) expect(Number.isSafeInteger(timestampUs)).toBe(true);
    });

    test('an endless read goes on with what is appended, says where the end is, and ends on abort', async () => {
      const topic = await newTopic(2);
      await fixture.append(topic, 0, values(0, 0, 10));
      const controller = new AbortController();
      const seen: RawRecord[] = [];
      let next = 0;
      for await (const batch of fixture.reader.read({
        topic,
        positions: new Map([
          [0, 0],
          [1, 0],
        ]),
        signal: controller.signal,
      })) {
        checkBatch(batch);
        seen.push(...batch.records);
        if (seen.length === 10 && next++ === 0) await fixture.append(topic, 1, values(1, 0, 5));
        if (seen.length === 15) controller.abort();
      }
      expect(seen.map(text).toSorted()).toEqual([...values(0, 0, 10), ...values(1, 0, 5)].toSorted());
    });

    test('an aborted idle read ends; so does one whose signal was aborted before', async () => {
      const topic = await newTopic(1);
      const controller = new AbortController();
      const read = fixture.reader
        .read({ topic, positions: new Map([[0, 0]]), signal: controller.signal })
        [Symbol.asyncIterator]();
      const pending = read.next();
      controller.abort();
      expect((await pending).done).toBe(true);
      const again = fixture.reader
        .read({ topic, positions: new Map([[0, 0]]), signal: controller.signal })
        [Symbol.asyncIterator]();
      expect((await again.next()).done).toBe(true);
    });

    test('a reader that leaves early can read again from anywhere', async () => {
      const topic = await newTopic(1);
      await fixture.append(topic, 0, values(0, 0, 300));
      for await (const batch of fixture.reader.read({ topic, positions: new Map([[0, 0]]) })) {
        expect(batch.records.length).toBeGreaterThan(0);
        break;
      }
      const seen = await readAll(fixture.reader, topic, [[0, 100]], [[0, 300]]);
      expect(seen.get(0)?.map(({ offset }) => offset)).toEqual(range(100, 300));
    });

    test('a position retention has passed, or beyond the end: offset-out-of-range, never a reset', async () => {
      const topic = await newTopic(1);
      await fixture.append(topic, 0, values(0, 0, 50));
      await fixture.deleteBefore(topic, 0, 20);
      expect((await fixture.reader.bounds(topic)).partitions[0]).toMatchObject({ lowOffset: 20, endOffset: 50 });
      expect(await codeOf(readAll(fixture.reader, topic, [[0, 19]], [[0, 50]]))).toBe(
        fixture.deletedCode ?? 'offset-out-of-range',
      );
      expect(await codeOf(readAll(fixture.reader, topic, [[0, 51]], [[0, 60]]))).toBe('offset-out-of-range');
      expect((await readAll(fixture.reader, topic, [[0, 20]], [[0, 50]])).get(0)).toHaveLength(30);
    });

    test('recordAt: the record of an offset, or null', async () => {
      const topic = await newTopic(1);
      await fixture.append(topic, 0, values(0, 0, 30));
      await fixture.deleteBefore(topic, 0, 10);
      expect(text((await fixture.reader.recordAt(topic, 0, 17))!)).toBe('p0-17');
      for (const offset of [9, 30, 1000]) expect(await fixture.reader.recordAt(topic, 0, offset)).toBeNull();
    });

    test('two reads at once do not disturb each other', async () => {
      const topic = await newTopic(2);
      for (const partition of [0, 1]) await fixture.append(topic, partition, values(partition, 0, 500));
      const ends = [
        [0, 500],
        [1, 500],
      ] as const;
      const [a, b] = await Promise.all([
        readAll(
          fixture.reader,
          topic,
          [
            [0, 0],
            [1, 0],
          ],
          ends,
        ),
        readAll(
          fixture.reader,
          topic,
          [
            [0, 250],
            [1, 250],
          ],
          ends,
        ),
      ]);
      expect(a.get(0)).toHaveLength(500);
      expect(b.get(1)?.map(({ offset }) => offset)).toEqual(range(250, 500));
    });
  });
}

/** Reads to the ends, checking what every batch promises. */
export async function readAll(
  reader: LogReader,
  topic: string,
  positions: readonly (readonly [number, number])[],
  ends: readonly (readonly [number, number])[],
): Promise<Map<number, RawRecord[]>> {
  const seen = new Map<number, RawRecord[]>();
  const next = new Map(positions);
  for await (const batch of reader.read({ topic, positions: new Map(positions), ends: new Map(ends) })) {
    checkBatch(batch);
    const records = seen.get(batch.partition) ?? [];
    for (const record of batch.records) expect(record.offset).toBeGreaterThanOrEqual(next.get(batch.partition)!);
    expect(batch.nextOffset).toBeGreaterThan(next.get(batch.partition)!);
    next.set(batch.partition, batch.nextOffset);
    seen.set(batch.partition, [...records, ...batch.records]);
  }
  expect(next).toEqual(
    new Map(positions.map(([partition, position]) => [partition, Math.max(new Map(ends).get(partition)!, position)])),
  );
  return seen;
}

function checkBatch(batch: LogBatch): void {
  let previous = -1;
  for (const record of batch.records) {
    expect(record.partition).toBe(batch.partition);
    expect(record.offset).toBeGreaterThan(previous);
    expect(record.offset).toBeLessThan(batch.nextOffset);
    previous = record.offset;
  }
  expect(batch.endOffset).toBeGreaterThanOrEqual(batch.nextOffset);
}

export function text(record: RawRecord): string {
  return Buffer.from(record.value!).toString();
}

function values(partition: number, from: number, until: number): string[] {
  return range(from, until).map((index) => `p${partition}-${index}`);
}

export function range(from: number, until: number): number[] {
  return Array.from({ length: until - from }, (_, index) => from + index);
}

export async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
  return 'no error';
}
