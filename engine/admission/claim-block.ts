import { hash } from 'node:crypto';
import { TIME_SPAN_US } from './claim-segment.ts';

/** Claims of a block, but for a last one: at least and at most. */
const LEAST_CLAIMS = 128;
export const MOST_CLAIMS = 2048;

/** Of the ids, those that end a block: one in 512. */
const CUT_MASK = 511;

/** Whether the claim of an id may end a block. `d`: the last word of its hash. */
export function isCut(d: number): boolean {
  return (d & CUT_MASK) === 0;
}

/**
 * Whether a block ends with the claim of an id. The rule asks for the claims alone, as content-defined chunking does (Muthitacharoen et al., "A low-bandwidth
 * network file system", 2001): whoever judged a stretch of a log alike has the same blocks, from the first or second end in it on, wherever he began.
 *
 * @param claims How many the block has, this one included.
 * @param d The last word of the id's hash.
 */
export function endsBlock(claims: number, d: number): boolean {
  return (isCut(d) && claims >= LEAST_CLAIMS) || claims >= MOST_CLAIMS;
}

/** Claims as they are shared, by hash, each id once: equal ones are equal bytes. */
export interface SealedClaims {
  /** SHA-256 of the two arrays. */
  readonly digest: string;
  /** Four for each claim's hash. */
  readonly words: Uint32Array;
  readonly timesUs: Float64Array;
  /** What the times are less than `TIME_SPAN_US` beyond, µs. */
  readonly baseUs: number;
  readonly newestUs: number;
}

/**
 * Puts claims into the form in which they are shared, in one part; in several where their times lie further apart than a block's may.
 *
 * @param words four for each claim's hash
 * @param timesUs of each claim; at most `MOST_CLAIMS` of them
 */
export function sealClaims(words: Uint32Array, timesUs: Float64Array): SealedClaims[] {
  const order = byHash(words, timesUs.length);
  const bases = new Set<number>();
  for (const timeUs of timesUs) bases.add(baseOf(timeUs));
  if (bases.size === 1) return [...bases].map((baseUs) => sealed(words, timesUs, order, baseUs));
  return [...bases].map((baseUs) => {
    const part = order.filter((claim) => baseOf(timesUs[claim]!) === baseUs);
    return sealed(words, timesUs, part, baseUs);
  });
}

function baseOf(timeUs: number): number {
  return Math.floor(timeUs / TIME_SPAN_US) * TIME_SPAN_US;
}

function sealed(words: Uint32Array, timesUs: Float64Array, claims: Uint16Array, baseUs: number): SealedClaims {
  const count = claims.length;
  const bytes = new ArrayBuffer(count * 24);
  const times = new Float64Array(bytes, 0, count);
  const sorted = new Uint32Array(bytes, count * 8);
  let newestUs = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < count; at++) {
    const claim = claims[at] as number;
    const timeUs = timesUs[claim] as number;
    times[at] = timeUs;
    if (timeUs > newestUs) newestUs = timeUs;
    for (let word = 0; word < 4; word++) sorted[at * 4 + word] = words[claim * 4 + word] as number;
  }
  return { digest: hash('sha256', new Uint8Array(bytes), 'binary'), words: sorted, timesUs: times, baseUs, newestUs };
}

/** The numbers of claims in the order of their hashes. */
function byHash(words: Uint32Array, count: number): Uint16Array {
  // A sort of numbers is ten times faster than one that asks: the first word, and below it which claim it is.
  const keys = new Float64Array(count);
  for (let claim = 0; claim < count; claim++) keys[claim] = words[claim * 4]! * MOST_CLAIMS + claim;
  keys.sort();
  const order = new Uint16Array(count);
  for (let at = 0; at < count; at++) {
    const claim = keys[at]! % MOST_CLAIMS;
    // Where first words are equal, which is rare, the others decide.
    let to = at;
    for (; to > 0 && compare(words, order[to - 1]!, claim) > 0; to--) order[to] = order[to - 1]!;
    order[to] = claim;
  }
  return order;
}

function compare(words: Uint32Array, one: number, other: number): number {
  for (let word = 0; word < 4; word++) {
    const difference = words[one * 4 + word]! - words[other * 4 + word]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
