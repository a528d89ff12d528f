import type pg from 'pg';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { insertDeadLetters } from '../postgres/dead-letters.ts';
import { expireDedupeIds, insertDedupeIds } from '../postgres/dedupe-ids.ts';
import { noteWritten } from '../postgres/outbox.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { type Joined, joinEvents, MAX_PAIR_BYTES } from './join-events.ts';
import { lockJoin } from './pair-claim.ts';
import { PAIRS_VERSION, pairsOwner, type RunPairsOptions, type Side } from './pairs-options.ts';
import type { SideBatch } from './side-batch.ts';
import type { SideAdvance } from './side-partition.ts';

/** Where a batch is committed. */
export interface PairTarget {
  readonly options: Pick<RunPairsOptions, 'rule' | 'topic' | 'pool' | 'fence' | 'failAt'>;
  readonly side: Side;
  /** Of that side. */
  readonly logTopic: string;
  /** Partitions whose ids before an event time no record can repeat any more. */
  readonly expire: readonly { readonly partition: number; readonly beforeUs: number }[];
}

/** Thrown inside the transaction to leave it when a newer token holds a partition. */
class Superseded extends Error {}

/**
 * One batch of one side, one transaction: offsets and token first, then what it holds, its pairs, its ids and its dead letters. Null where a newer token
 * stands: nothing was written. An error leaves the outcome unknown: the caller forgets what it has in memory and claims again. Throws `database-went-back`
 * (retryable) where the database has lost what was committed.
 */
export async function commitPairs(batch: SideBatch, target: PairTarget): Promise<Joined | null> {
  const { options, side, logTopic } = target;
  const { rule, topic, pool, failAt } = options;
  const owner = { view: pairsOwner(rule.name), version: PAIRS_VERSION };
  let joined: Joined;
  try {
    joined = await withTransaction(pool, async (client) => {
      // A writer that freezes in here holds the rows for this long at most.
      await runSql(client, sqlText`SELECT set_config('idle_in_transaction_session_timeout', '15s', true)`);
      await lockJoin(client, rule.name);
      await advance(client, batch.advances, target);
      await failAt?.('after-cas');
      const made = await joinEvents(
        client,
        { labelSet: rule.name, side, topic, horizonUs: rule.horizonUs },
        batch.events,
      );
      const seq = await count(client, rule.name, side, made);
      const place = { ...owner, source: rule[side].name, topic: logTopic, file: null };
      const letters = [...batch.deadLetters, ...tooLarge(batch, made, rule.name)];
      if (letters.length > 0)
        await insertDeadLetters(
          client,
          letters.map((letter) => ({ ...place, ...letter })),
        );
      const packs = batch.advances.flatMap(({ partition, newIds }) =>
        newIds === null ? [] : [{ ...owner, topic: logTopic, partition, seq, chunk: 0, ...newIds }],
      );
      await insertDedupeIds(client, packs);
      for (const { partition, beforeUs } of target.expire)
        await expireDedupeIds(client, owner.view, owner.version, logTopic, partition, beforeUs);
      // The sender waits for this row: last.
      await noteWritten(client, topic, made.pairs, made.bytes);
      await failAt?.('before-commit');
      return made;
    });
  } catch (error) {
    if (error instanceof Superseded) return null;
    throw error;
  }
  await failAt?.('after-commit');
  return joined;
}

async function advance(
  client: pg.PoolClient,
  advances: readonly SideAdvance[],
  { options: { rule, fence }, side }: PairTarget,
): Promise<void> {
  const column = <Value>(pick: (each: SideAdvance) => Value): Value[] => advances.map(pick);
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.pair_offset o
    SET next_offset = b.next_offset, end_offset = b.end_offset, watermark_us = b.watermark_us, begun = b.begun, anchor_offset = b.anchor_offset,
      anchor_digest = decode(b.anchor_digest, 'hex'), verdicts = decode(b.verdicts, 'hex'), counts = b.counts::jsonb, updated_at = clock_timestamp()
    FROM unnest(
      ${column((a) => a.partition)}::int[], ${column((a) => a.fromOffset)}::bigint[], ${column((a) => a.nextOffset)}::bigint[],
      ${column((a) => a.endOffset)}::bigint[], ${column((a) => a.watermarkUs)}::bigint[], ${column((a) => a.begun)}::boolean[],
      ${column((a) => a.anchor?.offset ?? null)}::bigint[], ${column((a) => (a.anchor === null ? null : hex(a.anchor.digest)))}::text[],
      ${column((a) => hex(a.verdicts))}::text[], ${column((a) => JSON.stringify(a.counts))}::text[]
    ) AS b(partition, from_offset, next_offset, end_offset, watermark_us, begun, anchor_offset, anchor_digest, verdicts, counts)
    WHERE o.label_set = ${rule.name} AND o.side = ${side} AND o.partition = b.partition
      AND o.next_offset = b.from_offset AND o.generation = ${fence.generation} AND o.attempt_ms = ${fence.attemptMs}`,
  );
  if (rowCount === advances.length) return;
  const { rows } = await runSql<{ partition: number; next_offset: number; generation: number; attempt_ms: number }>(
    client,
    sqlText`
    SELECT partition, next_offset, generation, attempt_ms FROM ${CATALOG}.pair_offset
    WHERE label_set = ${rule.name} AND side = ${side} AND partition = ANY(${column((a) => a.partition)}::int[])`,
  );
  const isOurs =
    rows.length === advances.length &&
    rows.every((row) => row.generation === fence.generation && row.attempt_ms === fence.attemptMs);
  if (!isOurs) throw new Superseded();
  const from = new Map(advances.map(({ partition, fromOffset }) => [partition, fromOffset]));
  const lost = rows.filter(({ partition, next_offset }) => next_offset < from.get(partition)!);
  const what = rows.map(({ partition, next_offset }) => `partition ${partition} is at ${next_offset}`).join(', ');
  if (lost.length === 0)
    throw internalBug(`pairs of ${rule.name}: the token is ours and the stored offsets are not: ${what}`);
  throw new MillraceError(
    'database-went-back',
    `pairs of ${rule.name}, ${side}: the database has lost commits that this joiner had made: ${what}`,
    {
      remedy:
        'Nothing is to be done: it forgets what it has in memory and goes on from what the database has. Pairs that were sent are sent again, with the same ids.',
      retryable: true,
      httpStatus: 503,
    },
  );
}

/** Counts what was joined; gives the number of the commit, of both sides. */
async function count(client: pg.PoolClient, labelSet: string, side: Side, made: Joined): Promise<number> {
  const { rows } = await runSql<{ seq: number }>(
    client,
    sqlText`
    UPDATE ${CATALOG}.pair_join SET seq = seq + 1, pairs = pairs + ${made.pairs}::bigint, too_large = too_large + ${made.tooLargePairs}::bigint,
      ${heldColumn(side, 'rows')} = ${heldColumn(side, 'rows')} + ${made.held}::bigint,
      ${heldColumn(side, 'bytes')} = ${heldColumn(side, 'bytes')} + ${made.heldBytes}::bigint
    WHERE label_set = ${labelSet} RETURNING seq`,
  );
  return rows[0]!.seq;
}

/** The column of what is held of a side. */
export function heldColumn(side: Side, of: 'rows' | 'bytes'): SqlText {
  if (side === 'decisions') return of === 'rows' ? sqlText`held_decisions` : sqlText`held_decision_bytes`;
  return of === 'rows' ? sqlText`held_outcomes` : sqlText`held_outcome_bytes`;
}

function tooLarge({ events }: SideBatch, made: Joined, labelSet: string): readonly SideBatch['deadLetters'][number][] {
  return made.tooLarge.map((place) => {
    const { partition, offset, value, brokerUs } = events[place]!;
    const reason = `a pair of label set "${labelSet}" with this record is too large: expected at most ${MAX_PAIR_BYTES} bytes`;
    return { partition, offset, payload: value, reasons: [reason], brokerTimestampUs: brokerUs };
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
