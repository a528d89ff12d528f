import { expect, test } from 'vitest';
import { kafkaFailure } from '../../engine/kafka/kafka-failure.ts';
import { errorOfCode } from '../../engine/kafka/kafkajs-internals.ts';
import { decodeListOffsetsResponse } from '../../engine/kafka/list-offsets-response.ts';

/** As a broker writes version 5, by the protocol's description. */
function response(topics: readonly (readonly [string, readonly (readonly [number, number, bigint])[]])[]): Buffer {
  const parts: Buffer[] = [];
  const int = (bytes: 2 | 4, value: number): void => {
    const part = Buffer.alloc(bytes);
    part.writeIntBE(value, 0, bytes);
    parts.push(part);
  };
  const int64 = (value: bigint): void => {
    const part = Buffer.alloc(8);
    part.writeBigInt64BE(value);
    parts.push(part);
  };
  int(4, 0);
  int(4, topics.length);
  for (const [name, partitions] of topics) {
    int(2, Buffer.byteLength(name));
    parts.push(Buffer.from(name));
    int(4, partitions.length);
    for (const [partition, errorCode, offset] of partitions) {
      int(4, partition);
      int(2, errorCode);
      int64(-1n);
      int64(offset);
      int(4, 7);
    }
  }
  return Buffer.concat(parts);
}

test('each partition has its offset, or the error in place of it', () => {
  const bytes = response([
    [
      'flüge',
      [
        [0, 0, 12n],
        [3, 78, -1n],
      ],
    ],
    ['b', [[1, 0, 9007199254740991n]]],
  ]);
  expect(decodeListOffsetsResponse(bytes)).toEqual([
    { partition: 0, errorCode: 0, offset: 12 },
    { partition: 3, errorCode: 78, offset: -1 },
    { partition: 1, errorCode: 0, offset: 9007199254740991 },
  ]);
});

test('a leader that does not know the end yet is waited for', () => {
  expect(kafkaFailure(errorOfCode(78), ['b:9092'], 'topic t')).toMatchObject({
    transient: true,
    error: { code: 'service-unreachable', retryable: true },
  });
});
