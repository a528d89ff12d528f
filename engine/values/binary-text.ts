/** What bytes that are no text in UTF-8 are, by their beginning. */
export type BinaryKind = 'UTF-16' | 'gzip' | 'Zstandard' | 'Parquet' | 'a ZIP file (of Excel, perhaps)' | 'zero bytes';

const beginnings: readonly (readonly [BinaryKind, string])[] = [
  ['UTF-16', 'fffe'],
  ['UTF-16', 'feff'],
  ['gzip', '1f8b'],
  ['Zstandard', '28b52ffd'],
  // PAR1, PK: a text that begins so goes on otherwise.
  ['Parquet', '5041523115'],
  ['a ZIP file (of Excel, perhaps)', '504b0304'],
  ['zero bytes', '0000000000000000'],
];

/**
 * What bytes that should be a text in UTF-8 are by their beginning: another encoding, another format, or nothing; null where that does not
 * tell.
 *
 * @example
 * binaryText(Buffer.from('\ufeffid,at', 'utf16le')); // 'UTF-16'
 */
export function binaryText(bytes: Buffer): BinaryKind | null {
  const beginning = bytes.toString('hex', 0, 8);
  const known = beginnings.find(([, magic]) => beginning.startsWith(magic));
  if (known !== undefined) return known[0];
  return bytes.length >= 4 && isUtf16(bytes) ? 'UTF-16' : null;
}

/** How plain text in UTF-16 begins without a mark: every second byte is zero. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second, third, fourth] = bytes;
  return (first === 0 && second !== 0 && third === 0) || (second === 0 && first !== 0 && fourth === 0 && third !== 0);
}
