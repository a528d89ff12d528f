/** Gives an id for each commit. */
export type NewCommitId = () => bigint;

/**
 * A random id of a commit: 64 bits, signed as Postgres has them, never 0. Numbers of commits are given again after a failover that lost some, or a
 * restored backup; the id tells the commit that a reader saw from the one that has its number now.
 *
 * @example
 * randomCommitId(); // -6917529027641081856n
 */
export function randomCommitId(): bigint {
  for (;;) {
    const id = BigInt.asIntN(64, crypto.getRandomValues(new BigUint64Array(1))[0]!);
    if (id !== 0n) return id;
  }
}
