import { createHash } from 'node:crypto';
import type { ViewLayout } from '../define/view-layout.ts';

/** JSON with object keys sorted and no white space: the same text whatever order a store (jsonb) gave the keys back in. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/**
 * The tag every encoded state of a layout starts with: the first 32 bits, big-endian, of sha-256 of the layout's canonical JSON.
 *
 * @example layoutTag(view.layout) // 2864434397
 */
export function layoutTag(layout: ViewLayout): number {
  return createHash('sha256').update(canonicalJson(layout), 'utf8').digest().readUInt32BE(0);
}
