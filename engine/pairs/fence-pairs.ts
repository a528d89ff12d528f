import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { lockJoin } from './pair-claim.ts';

/**
 * Shuts every joiner of a label set out whose generation is below `generation`, and the sender of its pairs: once this returns, none of them can commit,
 * however long it was frozen. Idempotent. A later run needs a generation of at least this one.
 * Throws MillraceError `service-unreachable` (retryable).
 *
 * @param options.topic of its pairs
 * @example
 * await fencePairs({ pool, labelSet: 'late', topic: 'millrace.pairs.late', generation: 8 });
 */
export async function fencePairs(options: {
  readonly pool: pg.Pool;
  readonly labelSet: string;
  readonly topic: string;
  readonly generation: number;
}): Promise<void> {
  const { pool, labelSet, topic, generation } = options;
  await withTransaction(pool, async (client) => {
    await lockJoin(client, labelSet);
    await runSql(
      client,
      sqlText`UPDATE ${CATALOG}.pair_join SET generation = ${generation} WHERE label_set = ${labelSet} AND generation < ${generation}`,
    );
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.pair_offset SET generation = ${generation}, attempt_ms = 0, owner = NULL, updated_at = now()
      WHERE label_set = ${labelSet} AND generation < ${generation}`,
    );
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.outbox_topic SET generation = ${generation}, attempt_ms = 0, owner = NULL, updated_at = now()
      WHERE topic = ${topic} AND generation < ${generation}`,
    );
  });
}
