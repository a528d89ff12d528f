import type { DuckDBDataChunk } from 'duckdb';
import type { DuckDb } from './duckdb.ts';

/** A query under way. */
interface Begun {
  readonly chunks: AsyncGenerator<DuckDBDataChunk>;
  readonly first: Promise<IteratorResult<DuckDBDataChunk>>;
}

/**
 * The chunks of queries, one after the other, all of each. Leaving the loop early closes the queries.
 *
 * @param onBegin told the place of a query before its first chunk, whether it has one or not
 */
export async function* chunksOf(
  queries: readonly string[],
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
  onBegin: (index: number) => void = () => {},
): AsyncGenerator<DuckDBDataChunk> {
  // A query takes some milliseconds to its first chunk: the next one is begun with the one before.
  const begin = (index: number): Begun | null => {
    const sql = queries[index];
    if (sql === undefined) return null;
    const chunks = duckdb.chunks(sql, [], signal);
    const first = chunks.next();
    first.catch(() => {});
    return { chunks, first };
  };
  let next = begin(0);
  try {
    for (let index = 1; next !== null; index++) {
      const { chunks, first }: Begun = next;
      next = begin(index);
      try {
        onBegin(index - 1);
        const found = await first;
        if (found.done !== true) yield found.value;
        yield* chunks;
      } finally {
        await chunks.return(undefined);
      }
    }
  } finally {
    await next?.chunks.return(undefined);
  }
}
