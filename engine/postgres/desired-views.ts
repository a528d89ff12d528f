import { sql } from 'kysely';
import { catalog, run } from './catalog.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

const DESIRED = 'view_desired';

/** The definition that a view is to be built by: what was applied last. */
export interface DesiredView {
  readonly view: string;
  readonly fingerprint: string;
  /** Of the apply that moved it here; rises from apply to apply over all views. */
  readonly applyNumber: number;
  readonly actor: string;
  readonly message: string | null;
  /** UTC epoch µs. */
  readonly atUs: number;
}

/** What a view is to be; null where it was never applied. */
export async function desiredView(on: Queryable, view: string): Promise<DesiredView | null> {
  const [row] = await run(on, catalog.selectFrom(DESIRED).selectAll().where('view', '=', view));
  return row === undefined ? null : desiredOf(row);
}

/** What all views are to be that were ever applied, by name. */
export async function desiredViews(on: Queryable): Promise<DesiredView[]> {
  const rows = await run(on, catalog.selectFrom(DESIRED).selectAll().orderBy('view'));
  return rows.map(desiredOf);
}

/** Keeps other applies out until the transaction ends; readers go on. */
export async function lockDesired(client: Queryable): Promise<void> {
  await runSql(client, sqlText`LOCK TABLE ${CATALOG}.view_desired IN SHARE ROW EXCLUSIVE MODE`);
}

/**
 * Moves views to the definitions they are to be, under the next number of all. In a transaction that holds `lockDesired`: two applies at once are
 * one after the other, whole. Returns the number.
 */
export async function moveDesired(
  client: Queryable,
  moves: readonly Pick<DesiredView, 'view' | 'fingerprint'>[],
  by: Pick<DesiredView, 'actor' | 'message'>,
): Promise<number> {
  const [highest] = await run(
    client,
    catalog.selectFrom(DESIRED).select((eb) => eb.fn.max('apply_number').as('number')),
  );
  const number = (highest?.number ?? 0) + 1;
  await run(
    client,
    catalog
      .insertInto(DESIRED)
      .values(moves.map(({ view, fingerprint }) => ({ view, fingerprint, apply_number: number, ...by })))
      .onConflict((conflict) =>
        conflict.column('view').doUpdateSet((eb) => ({
          fingerprint: eb.ref('excluded.fingerprint'),
          apply_number: eb.ref('excluded.apply_number'),
          actor: eb.ref('excluded.actor'),
          message: eb.ref('excluded.message'),
          at: sql<string>`clock_timestamp()`,
        })),
      ),
  );
  return number;
}

function desiredOf(row: {
  view: string;
  fingerprint: string;
  apply_number: number;
  actor: string;
  message: string | null;
  at: number;
}): DesiredView {
  const { view, fingerprint, apply_number: applyNumber, actor, message, at: atUs } = row;
  return { view, fingerprint, applyNumber, actor, message, atUs };
}
