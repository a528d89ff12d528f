import { createHash } from 'node:crypto';
import type { ViewLayout } from '../define/view-layout.ts';
import { canonicalJson } from '../values/canonical-json.ts';

/**
 * The tag every encoded state of a layout starts with: the first 32 bits, big-endian, of sha-256 of the layout's canonical JSON.
 *
 * @example layoutTag(view.layout) // 2864434397
 */
export function layoutTag(layout: ViewLayout): number {
  return createHash('sha256').update(canonicalJson(layout), 'utf8').digest().readUInt32BE(0);
}
