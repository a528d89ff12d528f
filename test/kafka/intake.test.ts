import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { CompressionTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { decompress, gzipBytes, registerCodecs, sizeOf } from '../../engine/kafka/codecs.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import type { BatchMemory } from '../../engine/topic/log-reader.ts';
import { recordBytes } from '../../engine/topic/record-bytes.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { compressed } from './compressed.ts';
import { type KafkaFixture, openKafka } from './kafka-fixture.ts';

const KB = 1024;
const MB = KB * KB;

/** A budget of which so much is for records on their way in. */
function memoryOf(intake: { heap: number; buffers: number }): MemoryBudget {
  return new MemoryBudget({ ...memoryShares(1024), intake });
}

describe('what a section inflates to is known before it is', () => {
  registerCodecs();
  const plain = fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }),
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(20_000)).map(([word, times]) => {
      const bytes = new Uint8Array(word.length * times);
      for (let at = 0; at < bytes.length; at++) bytes[at] = word[at % word.length]!;
      return bytes;
    }),
  );

  for (const [name, codec, compress] of compressed) {
    test(`of ${name}`, () => {
      fc.assert(
        fc.property(plain, (bytes) => {
          const section = compress(Buffer.from(bytes));
          const most = sizeOf(codec, section);
          expect(most).toBeGreaterThanOrEqual(bytes.length);
          expect(decompress(codec, section, most)).toEqual(Buffer.from(bytes));
          // A block or so beyond it, where it is not written down.
          expect(most).toBeLessThanOrEqual(Math.max(bytes.length * 2, section.length * 255) + 128 * KB);
        }),
        lawRuns(60),
      );
    });
  }

  test('of gzip in several members it is counted', async () => {
    const members = Buffer.concat([gzipSync(Buffer.alloc(50_000, 1)), gzipSync(Buffer.alloc(3_000, 2))]);
    expect(decompress(1, members, sizeOf(1, members))).toBeNull();
    const bytes = await gzipBytes(members, MB);
    expect(bytes).toBe(53_000);
    expect(decompress(1, members, bytes)).toHaveLength(53_000);
    // No further than asked.
    expect(await gzipBytes(gzipSync(Buffer.alloc(30 * MB)), MB)).toBeLessThan(2 * MB);
  });

  test('of bytes that are no such section it is said', () => {
    for (const [codec, bytes] of [
      [1, 3],
      [2, 6],
      [3, 3],
      [4, 3],
    ] as const)
      expect(() => sizeOf(codec, Buffer.alloc(bytes, 255))).toThrow(expect.objectContaining({ code: 'log-corrupt' }));
  });
});

describe('reads that share little memory', () => {
  let kafka: KafkaFixture;
  let topics = 0;
  beforeAll(async () => {
    kafka = await openKafka(inject('stack').kafkaBrokers);
  });
  afterAll(() => kafka.close());
  const newTopic = async (): Promise<string> => {
    const topic = `intake-${process.pid}-${Math.floor(performance.timeOrigin)}-${++topics}`;
    await kafka.createTopic(topic, 2);
    return topic;
  };

  test('come to their ends whatever the codec, a record larger than the rest of it too, and hold no more than there is', async () => {
    const codecs = ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const;
    const lengths = [...Array.from({ length: 60 }, (_, index) => 10 + index * 97), 900 * KB, 5, 600 * KB, 40 * KB, 7];
    const made = await Promise.all(
      codecs.map(async (codec) => {
        const topic = await newTopic();
        for (const partition of [0, 1])
          for (const length of lengths)
            await kafka.send(topic, partition, [`${length}:`.padEnd(length, 'xyz ')], CompressionTypes[codec]);
        return topic;
      }),
    );
    const buffers = 2.5 * MB;
    const memory = memoryOf({ heap: MB, buffers });
    const reader = createKafkaLogReader({ brokers: inject('stack').kafkaBrokers, clientId: 'intake', memory });
    let heldBytes = 0;
    let mostBytes = 0;
    // Each twice: one reader lets its batches go, the other keeps some for a while.
    const reads = made.flatMap((topic) => [0, 3].map((keeps) => ({ topic, keeps })));
    await Promise.all(
      reads.map(async ({ topic, keeps }) => {
        const kept: { memory: BatchMemory; bytes: number }[] = [];
        const seen = new Map([0, 1].map((partition) => [partition, 0]));
        const positions = new Map(seen);
        const ends = new Map([...seen.keys()].map((partition) => [partition, lengths.length]));
        for await (const batch of reader.read({ topic, positions, ends })) {
          for (const { offset, value, partition } of batch.records) {
            expect(offset).toBe(seen.get(partition));
            expect(value).toHaveLength(Math.max(lengths[offset]!, `${lengths[offset]!}:`.length));
            seen.set(partition, offset + 1);
          }
          if (keeps === 0) continue;
          const bytes = batch.records.reduce((sum, record) => sum + recordBytes(record), 0);
          batch.memory!.keep();
          kept.push({ memory: batch.memory!, bytes });
          heldBytes += bytes;
          mostBytes = Math.max(mostBytes, heldBytes);
          await new Promise((resolve) => setImmediate(resolve));
          const release = kept.splice(0, kept.length - (keeps - 1));
          // As a stream does, which commits what it has while it reads on.
          setImmediate(() => {
            for (const each of release) {
              each.memory.release();
              heldBytes -= each.bytes;
            }
            for (const each of kept.splice(0)) {
              each.memory.release();
              heldBytes -= each.bytes;
            }
          });
        }
        for (const each of kept) each.memory.release();
        expect([...seen.values()]).toEqual([lengths.length, lengths.length]);
      }),
    );
    expect(mostBytes).toBeGreaterThan(0);
    expect(mostBytes).toBeLessThanOrEqual(buffers + MB);
    expect(intakeMemory(memory).usedBytes).toBe(0);
    await reader.close();
  });

  test('a batch that is too large for all of it is refused by name, in a read and alone', async () => {
    for (const codec of ['None', 'ZSTD'] as const) {
      const topic = await newTopic();
      await kafka.send(topic, 0, ['small'], CompressionTypes[codec]);
      await kafka.send(topic, 0, ['x'.repeat(800 * KB)], CompressionTypes[codec]);
      const memory = memoryOf({ heap: MB, buffers: MB });
      const reader = createKafkaLogReader({ brokers: inject('stack').kafkaBrokers, clientId: 'intake', memory });
      const seen: number[] = [];
      const reading = async (): Promise<void> => {
        for await (const batch of reader.read({ topic, positions: new Map([[0, 0]]) }))
          seen.push(...batch.records.map(({ offset }) => offset));
      };
      await expect(reading()).rejects.toMatchObject({
        code: 'record-batch-too-large',
        retryable: false,
        details: { topic, partition: 0, offset: 1 },
      });
      expect(seen).not.toContain(1);
      await expect(reader.recordAt(topic, 0, 1)).rejects.toMatchObject({ code: 'record-batch-too-large' });
      expect(String((await reader.recordAt(topic, 0, 0))?.value)).toBe('small');
      expect(intakeMemory(memory).usedBytes).toBe(0);
      await reader.close();
    }
  });
});
