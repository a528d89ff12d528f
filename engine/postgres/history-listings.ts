import type { HistoryListing, HistoryListings } from '../history/history-listing.ts';
import type { Clock } from '../values/clock.ts';
import { sql } from 'kysely';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';

const LISTINGS = 'history_listing';

/**
 * The listings of an installation: the first to read one notes when, and everyone after takes that.
 *
 * @example
 * const listings = storedListings(pool, systemClock);
 */
export function storedListings(on: Queryable, clock: Clock): HistoryListings {
  const known = new Map<string, number>();
  return {
    async firstReadAtUs(listing) {
      const key = `${listing.source} ${listing.digest}`;
      const firstReadAtUs = known.get(key) ?? (await noted(on, listing, clock));
      known.set(key, firstReadAtUs);
      return firstReadAtUs;
    },
  };
}

async function noted(
  on: Queryable,
  { source, digest, formerDigest, files, bytes }: HistoryListing,
  clock: Clock,
): Promise<number> {
  const former = catalog
    .selectFrom(LISTINGS)
    .select('first_read_at_us')
    .where('source', '=', source)
    .where('digest', '=', formerDigest);
  await run(
    on,
    catalog
      .insertInto(LISTINGS)
      .values({ source, digest, first_read_at_us: sql<number>`coalesce((${former}), ${clock.nowUs()})`, files, bytes })
      .onConflict((conflict) => conflict.doNothing()),
  );
  const [row] = await run(
    on,
    catalog.selectFrom(LISTINGS).select('first_read_at_us').where('source', '=', source).where('digest', '=', digest),
  );
  return row!.first_read_at_us;
}
