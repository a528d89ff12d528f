import { safeOffset } from './record-batch.ts';

/** What a broker answered for one partition; with an error, the offset is none. */
export interface ListedOffset {
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: number;
}

/** Decodes the body of a ListOffsets response, version 5. */
export function decodeListOffsetsResponse(payload: Buffer): ListedOffset[] {
  let at = 4; // throttle time
  const listed: ListedOffset[] = [];
  const topics = payload.readInt32BE(at);
  at += 4;
  for (let topic = 0; topic < topics; topic++) {
    at += 2 + payload.readInt16BE(at);
    const partitions = payload.readInt32BE(at);
    at += 4;
    for (let index = 0; index < partitions; index++) {
      const errorCode = payload.readInt16BE(at + 4);
      const offset = payload.readBigInt64BE(at + 14);
      listed.push({
        partition: payload.readInt32BE(at),
        errorCode,
        offset: errorCode === 0 ? safeOffset(offset) : -1,
      });
      // Partition, error, timestamp, offset, leader epoch.
      at += 4 + 2 + 8 + 8 + 4;
    }
  }
  return listed;
}
