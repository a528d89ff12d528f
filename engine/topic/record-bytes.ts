import type { RawRecord } from './log-reader.ts';

/** What a decoded record takes of the heap, its two buffer objects included: measured, 298 bytes. */
export const RECORD_HEAP_BYTES = 320;

/** What a record takes of memory, bytes: its key and value, and the objects around them. */
export function recordBytes({ key, value }: Pick<RawRecord, 'key' | 'value'>): number {
  return RECORD_HEAP_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}
