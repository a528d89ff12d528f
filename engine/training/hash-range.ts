/** A half-open range of key hashes: `low <= hash < high`, within [0, 2^32]. */
export interface HashRange {
  readonly low: number;
  readonly high: number;
}

/** Spreads key texts evenly over [0, 2^32): FNV-1a over UTF-16 units, then a finalizer so that the high bits mix too. */
export function keyHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The two halves of a range, or null where it cannot be halved. */
export function halves(range: HashRange): readonly [HashRange, HashRange] | null {
  const middle = Math.floor((range.low + range.high) / 2);
  return middle === range.low
    ? null
    : [
        { ...range, high: middle },
        { low: middle, high: range.high },
      ];
}

/** `2^n` equal ranges over all hashes, the fewest with at most `perRange` of `count` keys each. */
export function evenRanges(count: number, perRange: number): HashRange[] {
  const parts = 2 ** Math.min(16, Math.max(0, Math.ceil(Math.log2(count / Math.max(1, perRange)))));
  const width = 2 ** 32 / parts;
  return Array.from({ length: parts }, (_, part) => ({ low: part * width, high: (part + 1) * width }));
}
