import { sql } from 'kysely';
import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

const ACCEPTED = 'accepted_invalid';

/** The invalid records of a source that no driver stops at again. */
export async function acceptedInvalid(on: Queryable, source: string): Promise<AcceptedInvalid> {
  const rows = await run(
    on,
    catalog.selectFrom(ACCEPTED).select(['partition', 'until_offset']).where('source', '=', source),
  );
  return new Map(rows.map((row) => [row.partition, row.until_offset]));
}

/**
 * Accepts the invalid records of a partition (-1: history, by position) before an offset; what was accepted before stays so. Gives the offset up to which
 * they are now.
 */
export async function acceptInvalid(
  on: Queryable,
  source: string,
  partition: number,
  untilOffset: number,
): Promise<number> {
  const [row] = await run(
    on,
    catalog
      .insertInto(ACCEPTED)
      .values({ source, partition, until_offset: untilOffset })
      .onConflict((conflict) =>
        conflict.columns(['source', 'partition']).doUpdateSet({
          until_offset: sql<number>`greatest(accepted_invalid.until_offset, excluded.until_offset)`,
          accepted_at: sql<string>`now()`,
        }),
      )
      .returning('until_offset'),
  );
  return row!.until_offset;
}
