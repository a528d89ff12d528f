import type { JsonTree } from './json-values.ts';

/** What a line of a table has room for, in characters. */
const MOST = 60;

/**
 * A list or a map for a person: as many elements as have room, and how many more there are. Anything else is its JSON.
 *
 * @param most characters that its elements take, about
 * @example
 * shownTree([1, 2, 3, 4], 4); // '[1, 2, … 2 more]'
 */
export function shownTree(tree: JsonTree, most = MOST): string {
  if (Array.isArray(tree)) return shownParts('[', partsOf(tree), most, ']');
  if (isMap(tree)) return shownParts('{', entriesOf(tree), most, '}');
  return JSON.stringify(tree);
}

/**
 * Two values of a feature that differ, for a person: of two lists or two maps what differs, and how much is equal.
 *
 * @example
 * shownDifference([1, 2, 3], [1, 5, 3]); // ['[… 1 equal, 2, … 1 equal]', '[… 1 equal, 5, … 1 equal]']
 */
export function shownDifference(before: JsonTree, after: JsonTree, most = MOST): readonly [string, string] {
  if (Array.isArray(before) && Array.isArray(after)) return listDifference(before, after, most);
  if (isMap(before) && isMap(after)) return mapDifference(before, after, most);
  return [shownTree(before, most), shownTree(after, most)];
}

/** One element, made where it is shown. */
type Part = (most: number) => string;

const partsOf = (list: readonly JsonTree[]): Part[] => list.map((each) => (most) => shownTree(each, most));

const entriesOf = (map: Readonly<Record<string, JsonTree>>): Part[] =>
  Object.entries(map).map(
    ([key, value]) =>
      (most) =>
        `${JSON.stringify(key)}: ${shownTree(value, most)}`,
  );

function shownParts(
  open: string,
  parts: readonly Part[],
  most: number,
  close: string,
  equal: readonly [number, number] = [0, 0],
): string {
  const shown: string[] = [];
  let left = most;
  for (const part of parts) {
    // An element within has its share, so that the next one is seen too.
    const whole = part(Math.floor(most / 3));
    const text = whole.length <= most ? whole : `${whole.slice(0, most)}…`;
    if (shown.length > 0 && text.length > left) break;
    shown.push(text);
    left -= text.length + 2;
  }
  const more = parts.length - shown.length;
  const [first, last] = equal.map((count) => (count === 0 ? [] : [`… ${count} equal`]));
  return `${open}${[...first!, ...shown, ...(more === 0 ? [] : [`… ${more} more`]), ...last!].join(', ')}${close}`;
}

function listDifference(before: readonly JsonTree[], after: readonly JsonTree[], most: number): [string, string] {
  const [one, other] = [before, after].map((list) => list.map((each) => JSON.stringify(each))) as [string[], string[]];
  const shorter = Math.min(one.length, other.length);
  let first = 0;
  while (first < shorter && one[first] === other[first]) first++;
  let last = 0;
  while (last < shorter - first && one.at(-1 - last) === other.at(-1 - last)) last++;
  const shown = (list: readonly JsonTree[]): string =>
    shownParts('[', partsOf(list.slice(first, list.length - last)), most, ']', [first, last]);
  return [shown(before), shown(after)];
}

type TreeMap = Readonly<Record<string, JsonTree>>;

function mapDifference(before: TreeMap, after: TreeMap, most: number): [string, string] {
  const isEqual = (key: string): boolean =>
    Object.hasOwn(before, key) &&
    Object.hasOwn(after, key) &&
    JSON.stringify(before[key]) === JSON.stringify(after[key]);
  const equal = Object.keys(before).filter(isEqual).length;
  const shown = (map: TreeMap): string =>
    shownParts('{', entriesOf(Object.fromEntries(Object.entries(map).filter(([key]) => !isEqual(key)))), most, '}', [
      0,
      equal,
    ]);
  return [shown(before), shown(after)];
}

function isMap(tree: JsonTree): tree is TreeMap {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree);
}
