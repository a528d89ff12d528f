import type { HistoryListing, HistoryListings } from '../history/history-listing.ts';
import type { Clock } from '../values/clock.ts';
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

async function noted(on: Queryable, { source, digest, files }: HistoryListing, clock: Clock): Promise<number> {
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await run(
    on,
    catalog
      .insertInto(LISTINGS)
      .values({ source, digest, first_read_at_us: clock.nowUs(), files: files.length, bytes })
      .onConflict((conflict) => conflict.doNothing()),
  );
  const [row] = await run(
    on,
    catalog.selectFrom(LISTINGS).select('first_read_at_us').where('source', '=', source).where('digest', '=', digest),
  );
  return row!.first_read_at_us;
}
