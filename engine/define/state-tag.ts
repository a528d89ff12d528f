import type { ViewTags } from './view-tags.ts';
import { tagOf } from './tag-of.ts';
import type { ViewLayout } from './view-layout.ts';

/**
 * What a view's states hold, whatever is read out of them: keys, groups with hops and spans, and slots. States of layouts that are equal in it
 * hold the same, and differ in the layout tag they begin with.
 *
 * @returns 16 hex digits
 * @example
 * stateTag(before) === stateTag(after) // true where a feature over tiles that exist was added
 */
export function stateTag({ semantics, keys, tieBreak, groups, slots }: ViewLayout): string {
  return tagOf({ semantics, keys, tieBreak, groups, slots });
}

/** Whether two versions hold the same states of the same log: what they hold is equal, and so is all that comes into it. */
export function haveSameStates(
  one: Pick<ViewTags, 'state' | 'input'>,
  other: Pick<ViewTags, 'state' | 'input'>,
): boolean {
  return one.state === other.state && one.input === other.input;
}
