import type { SlotLayout } from './view-layout.ts';

/** What of a slot is told beside its inputs. */
type SlotOptions = Pick<SlotLayout, 'size' | 'distinct'>;

/** The options of a slot, those it has: they are part of what its features mean, and layouts without them stay what they are. */
export function slotOptions({ size, distinct }: SlotOptions): SlotOptions {
  return {
    ...(size === undefined ? {} : { size }),
    ...(distinct === undefined ? {} : { distinct }),
  };
}

/** The same in words: ` (n 3, distinct)`; of none an empty text. */
export function optionsText({ size, distinct }: SlotOptions): string {
  const words = [...(size === undefined ? [] : [`n ${size}`]), ...(distinct === undefined ? [] : ['distinct'])];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}
