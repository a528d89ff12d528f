/** Turns a raw, non-null value into a row value of one type; undefined where it is not of it. Declared checks come after. */
export type Convert = (raw: unknown) => unknown;
