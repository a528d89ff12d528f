import { hashId } from '../admission/id-hash.ts';

const words = new Uint32Array(4);

/**
 * Whether an entity of a view is in the sample: by a hash of both alone, so every process decides alike, all reads of a sampled entity
 * are kept, and a larger sample contains every smaller one.
 *
 * @param readKey `readKeyText` of view and entity.
 * @param sample Share of the entities, 0 to 1.
 */
export function isSampled(readKey: string, sample: number): boolean {
  if (sample >= 1) return true;
  if (!(sample > 0)) return false;
  hashId(readKey, words);
  return words[0]! < sample * 4294967296;
}

/** What is sampled by, and the key of the record: one entity of one view, whose reads so stay in order. */
export function readKeyText(view: string, entityText: string): string {
  return `${view}\0${entityText}`;
}
