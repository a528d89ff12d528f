import type pg from 'pg';
import { internalBug } from '../errors/millrace-error.ts';
import { catalog, run } from '../postgres/catalog.ts';
import { dropStateTable } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { dropSavedStates } from './saved-states.ts';

const contents = [
  'dedupe_ids',
  'commit_record',
  'dead_letter',
  'stream_offset',
  'backfill_progress',
  'backfill_ids',
] as const;

/**
 * Removes a version that was never published: its table, offsets, ids and dead letters, and what was saved while it was built. Its row stays, as `discarded`, so that its
 * number is not given out again. Idempotent; a version that is not there is no error.
 *
 * @throws MillraceError `internal-bug` for a version that is or was served.
 * @example
 * await discardVersion({ pool, view: 'route_delays', version: 3 });
 */
export async function discardVersion(options: {
  readonly pool: pg.Pool;
  readonly view: string;
  readonly version: number;
}): Promise<void> {
  const { pool, view, version } = options;
  // First of all its builder, should it live, is to see that it has lost: it takes this row before it writes.
  const table = await withTransaction(pool, async (client) => {
    const [row] = await run(
      client,
      catalog
        .selectFrom('view_version')
        .select(['status', 'state_table'])
        .where('view', '=', view)
        .where('version', '=', version)
        .forUpdate(),
    );
    if (row === undefined) return null;
    if (row.status !== 'building' && row.status !== 'built' && row.status !== 'discarded') {
      throw internalBug(`version ${version} of view "${view}" is ${row.status}: it is not to be discarded`);
    }
    await run(
      client,
      catalog
        .updateTable('view_version')
        .set({ status: 'discarded' })
        .where('view', '=', view)
        .where('version', '=', version),
    );
    return row.state_table;
  });
  if (table === null) return;
  await withTransaction(pool, async (client) => {
    for (const name of contents) {
      await run(client, catalog.deleteFrom(name).where('view', '=', view).where('version', '=', version));
    }
    await dropSavedStates(client, table);
    await dropStateTable(client, table);
  });
}
