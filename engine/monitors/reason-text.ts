const MOST_REASON = 120;

/**
 * A reason by which records are counted: without what was received, and where in a list or text. Nothing of a record's values is in it but names.
 *
 * @example
 * reasonText('legs[3].delay: expected an integer, received "soon"'); // 'legs[].delay: expected an integer'
 */
export function reasonText(reason: string): string {
  // The time guard's reasons go on with how far ahead it was; their second word says all.
  const guard = /^(\S+: [a-z]+(?:-[a-z]+)+):/.exec(reason);
  if (guard !== null) return guard[1]!;
  const received = reason.indexOf(', received ');
  const kept = received === -1 ? reason : reason.slice(0, received);
  return kept
    .replaceAll(/\[\d+\]/g, '[]')
    .replaceAll('\0', '\uFFFD')
    .slice(0, MOST_REASON)
    .toWellFormed();
}
