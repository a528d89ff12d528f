import type { SlotLayout } from './view-layout.ts';

/** What of a slot is told beside its inputs. */
type SlotOptions = Pick<SlotLayout, 'size' | 'distinct' | 'limit' | 'octaveBits' | 'hashes'>;

/** The options of a slot, those it has: they are part of what its features mean, and layouts without them stay what they are. */
export function slotOptions({ size, distinct, limit, octaveBits, hashes }: SlotOptions): SlotOptions {
  return {
    ...(size === undefined ? {} : { size }),
    ...(distinct === undefined ? {} : { distinct }),
    ...(limit === undefined ? {} : { limit }),
    ...(octaveBits === undefined ? {} : { octaveBits }),
    ...(hashes === undefined ? {} : { hashes }),
  };
}

/** The same in words: ` (n 3, distinct)`; of none an empty text. */
export function optionsText({ size, distinct, limit, octaveBits, hashes }: SlotOptions): string {
  const words = [
    ...(size === undefined ? [] : [`n ${size}`]),
    ...(distinct === undefined ? [] : ['distinct']),
    ...(limit === undefined ? [] : [`limit ${limit}`]),
    ...(octaveBits === undefined ? [] : [`within ${100 / 2 ** (octaveBits + 1)} %`]),
    ...(hashes === undefined ? [] : [`${hashes} hashes`]),
  ];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}
