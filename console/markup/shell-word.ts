const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * A word of a command as a shell takes it.
 *
 * @example
 * shellWord("o'hare"); // `'o'\''hare'`
 */
export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command of ours, its words quoted where they need it. */
export function command(...words: readonly string[]): string {
  return ['millrace', ...words].map(shellWord).join(' ');
}
