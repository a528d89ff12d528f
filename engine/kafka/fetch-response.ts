import type { AbortedTransaction } from './record-batch.ts';
import { safeOffset } from './record-batch.ts';

/** What a broker returned for one partition; the record set is still encoded. */
export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  /** Read-committed end of the partition. */
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly recordSet: Buffer;
}

export interface FetchResponse {
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
  /** What the whole takes of memory; the record sets are parts of it. */
  readonly bytes: number;
}

/** Decodes the body of a Fetch response, version 11, of one topic. */
export function decodeFetchResponse(payload: Buffer): FetchResponse {
  let at = 0;
  const int32 = (): number => {
    at += 4;
    return payload.readInt32BE(at - 4);
  };
  const int16 = (): number => {
    at += 2;
    return payload.readInt16BE(at - 2);
  };
  const int64 = (): bigint => {
    at += 8;
    return payload.readBigInt64BE(at - 8);
  };
  const clientSideThrottleTime = int32();
  const errorCode = int16();
  int32(); // session id: no fetch sessions are used
  const partitions: FetchedPartition[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const topicNameLength = int16();
    at += topicNameLength;
    for (let count = int32(); count > 0; count--) {
      const partition = int32();
      const partitionError = int16();
      const highWatermark = safeOffset(int64());
      const lastStableOffset = safeOffset(int64());
      const logStartOffset = safeOffset(int64());
      const aborted: AbortedTransaction[] = [];
      for (let transactions = int32(); transactions > 0; transactions--) {
        aborted.push({ producerId: int64(), firstOffset: safeOffset(int64()) });
      }
      int32(); // preferred read replica: no rack is sent
      const length = Math.max(int32(), 0);
      const recordSet = payload.subarray(at, at + length);
      at += length;
      partitions.push({
        partition,
        errorCode: partitionError,
        highWatermark,
        lastStableOffset,
        logStartOffset,
        aborted,
        recordSet,
      });
    }
  }
  return { clientSideThrottleTime, errorCode, partitions, bytes: payload.length };
}
