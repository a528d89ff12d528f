/** The byte order marks of UTF-16, and how plain text in it begins: every second byte is zero. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second, third, fourth] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  return (first === 0 && second !== 0 && third === 0) || (second === 0 && first !== 0 && fourth === 0 && third !== 0);
}

/**
 * What bytes that should be a text in UTF-8 are by their beginning, in words: another encoding, or compressed; null where that does not tell.
 *
 * @example
 * binaryText(Buffer.from('\ufeffid,at', 'utf16le')); // 'UTF-16'
 */
export function binaryText(bytes: Buffer): 'UTF-16' | 'gzip' | 'Zstandard' | null {
  if (bytes.length >= 4 && isUtf16(bytes)) return 'UTF-16';
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip';
  return bytes.length >= 4 && bytes.readUInt32BE(0) === 0x28b52ffd ? 'Zstandard' : null;
}
