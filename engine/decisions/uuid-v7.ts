/**
 * A UUID of version 7 (RFC 9562): 48 bits of time, so that ids of one time lie together, and 74 random ones.
 *
 * @param atMs epoch ms, 0 to 2^48 − 1
 * @param random 16 random bytes, of which the last ten count
 * @example
 * uuidV7(Date.now(), randomBytes(16)); // '0190163d-8694-739b-aea5-966c26f8ad91'
 */
export function uuidV7(atMs: number, random: Uint8Array): string {
  const bytes = Buffer.from(random.subarray(0, 16));
  bytes.writeUIntBE(Math.min(Math.max(Math.trunc(atMs), 0), 2 ** 48 - 1), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
