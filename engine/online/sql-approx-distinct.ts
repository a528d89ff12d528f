import { internalBug } from '../errors/millrace-error.ts';
import { HASHES } from '../reduce/value-hash.ts';
import { CORRUPT, UNSIGNED } from './sql-values.ts';

/** What hashes are read into. */
export const HASH_VARIABLES = 'hash bigint;';

/** What a window's hashes are gathered in. */
export function hashAccumulators(name: string): string {
  return `${name} bigint[] := '{}';`;
}

/** Reads a tile's hashes as `approx-distinct.ts` writes them; `where` gives a statement for each window that the tile lies in. */
export function hashStatements(
  hashes: number | undefined,
  where: (statement: (name: string) => string) => string[],
): string[] {
  return [
    ...UNSIGNED,
    `IF v > ${given(hashes)} THEN ${CORRUPT} END IF;`,
    'y := v;',
    'hash := -1;',
    'WHILE y > 0 LOOP',
    ...UNSIGNED,
    'hash := hash + 1 + v;',
    `IF hash >= ${HASHES} THEN ${CORRUPT} END IF;`,
    ...where((name) => `${name} := ${name} || hash;`),
    'y := y - 1;',
    'END LOOP;',
  ];
}

/** How many distinct values there are of the hashes gathered under `name`, into `out`, as `approx-distinct.ts` says. */
export function hashResult(hashes: number | undefined, name: string, out: string): string[] {
  const most = given(hashes);
  const over = `${2n * BigInt(most - 1) * BigInt(HASHES)}::numeric`;
  return [
    `${out} := (SELECT CASE WHEN count(*) < ${most} THEN count(*) ELSE greatest(${most}, div(${over} + max(kept.hash) + 1, 2 * (max(kept.hash)::numeric + 1))) END`,
    `FROM (SELECT DISTINCT held.hash FROM unnest(${name}) held(hash) ORDER BY held.hash LIMIT ${most}) kept);`,
  ];
}

function given(hashes: number | undefined): number {
  if (hashes === undefined) throw internalBug('a slot of approxDistinct without a number of hashes');
  return hashes;
}
