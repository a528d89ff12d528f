import type pg from 'pg';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { addViewHours } from '../monitors/view-hours.ts';
import { randomCommitId } from '../postgres/commit-id.ts';
import { insertDeadLetters } from '../postgres/dead-letters.ts';
import { expireDedupeIds, insertDedupeIds } from '../postgres/dedupe-ids.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import { upsertStates } from '../postgres/state-table.ts';
import { runSql } from '../postgres/run-sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { checkStatesUnchanged } from './check-states.ts';
import type { MicroBatch, PartitionAdvance } from './micro-batch.ts';
import { lockForBatch } from './stream-lock.ts';
import { lostOffsets, wentBack } from './went-back.ts';
import type { RunStreamOptions } from './stream-options.ts';

export interface CommitTarget {
  readonly options: RunStreamOptions;
  readonly topic: string;
  readonly stateTable: string;
  /** True when this run has all partitions, so that nobody else writes states. */
  readonly alone: boolean;
  /** The number of the version's last commit, as our claim and our commits since left it. */
  readonly lastSeq: number;
  /** Partitions whose expired ids are to be deleted with this commit, and before which event time; -1 are the history's ids. */
  readonly expire: readonly { readonly partition: number; readonly beforeUs: number }[];
}

/** Thrown inside the transaction to leave it when a newer token holds a partition. */
class Superseded extends Error {}

/**
 * One micro-batch, one transaction. First of all the compare-and-set of every partition's offset and token: where a row does not match,
 * nothing is written. Returns the commit's number, null when a newer token stands. An error leaves the outcome unknown: the caller forgets what it has in
 * memory and claims again, and the row says what was committed. Throws `database-went-back` (retryable) where the database has lost what was committed.
 */
export async function commitBatch(batch: MicroBatch, target: CommitTarget): Promise<number | null> {
  const { options, topic } = target;
  const commitId = (options.newCommitId ?? randomCommitId)();
  let seq = 0;
  try {
    await withTransaction(options.pool, async (client) => {
      await lockForBatch(client, options.view.name, options.version);
      await advanceOffsets(client, batch.advances, target);
      await options.failAt?.('after-cas');
      seq = await takeSeq(client, options);
      // Nobody else commits while we are alone, and others may only add.
      if (target.alone ? seq !== target.lastSeq + 1 : seq <= target.lastSeq)
        throw wentBack(
          options.view.name,
          options.version,
          `its newest commit was ${target.lastSeq}, and is ${seq - 1}`,
        );
      const { view, version } = options;
      const states = batch.states.map(({ entry, bytes }) => ({ key: entry.key, state: bytes }));
      if (!target.alone) await checkStatesUnchanged(client, target.stateTable, view.layout, batch.states);
      await upsertStates(client, target.stateTable, view.layout, states, seq, commitId);
      const place = { view: view.name, version, source: view.source.name, topic, file: null };
      if (batch.deadLetters.length > 0)
        await insertDeadLetters(
          client,
          batch.deadLetters.map((letter) => ({ ...place, ...letter })),
        );
      const packs = batch.advances.flatMap(({ partition, newIds }) =>
        newIds === null ? [] : [{ ...place, partition, seq, chunk: 0, ...newIds }],
      );
      await insertDedupeIds(client, packs);
      await runSql(client, commitRecordInsert(batch.advances, { seq, commitId }, target));
      await addViewHours(client, view.name, version, batch.hours);
      for (const { partition, beforeUs } of target.expire)
        await expireDedupeIds(client, view.name, version, topic, partition, beforeUs);
      await options.failAt?.('before-commit');
    });
  } catch (error) {
    if (error instanceof Superseded) return null;
    throw error;
  }
  for (const { entry } of batch.states) {
    entry.seq = seq;
    entry.commitId = String(commitId);
  }
  await options.failAt?.('after-commit');
  return seq;
}

async function advanceOffsets(
  client: pg.PoolClient,
  advances: readonly PartitionAdvance[],
  { options, topic }: CommitTarget,
): Promise<void> {
  const { view, version, fence } = options;
  const column = <Value>(pick: (advance: PartitionAdvance) => Value): Value[] => advances.map(pick);
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.stream_offset o
    SET next_offset = b.next_offset, end_offset = b.end_offset, watermark_us = b.watermark_us, anchor_offset = b.anchor_offset,
      anchor_digest = decode(b.anchor_digest, 'hex'), counts = b.counts::jsonb, begun = b.begun, verdicts = decode(b.verdicts, 'hex'),
      mostly_invalid = b.mostly_invalid, updated_at = clock_timestamp()
    FROM unnest(
      ${column((a) => a.partition)}::int[], ${column((a) => a.fromOffset)}::bigint[], ${column((a) => a.nextOffset)}::bigint[],
      ${column((a) => a.endOffset)}::bigint[], ${column((a) => a.watermarkUs)}::bigint[], ${column((a) => a.anchor?.offset ?? null)}::bigint[],
      ${column((a) => (a.anchor === null ? null : Buffer.from(a.anchor.digest).toString('hex')))}::text[],
      ${column((a) => JSON.stringify(a.counts))}::text[], ${column((a) => a.begun)}::boolean[],
      ${column((a) => Buffer.from(a.verdicts).toString('hex'))}::text[], ${column((a) => a.mostlyInvalid)}::boolean[]
    ) AS b(partition, from_offset, next_offset, end_offset, watermark_us, anchor_offset, anchor_digest, counts, begun, verdicts, mostly_invalid)
    WHERE o.view = ${view.name} AND o.version = ${version} AND o.topic = ${topic} AND o.partition = b.partition
      AND o.next_offset = b.from_offset AND o.generation = ${fence.generation} AND o.attempt_ms = ${fence.attemptMs}`,
  );
  if (rowCount === advances.length) return;
  const { rows } = await runSql<{ partition: number; next_offset: number; generation: number; attempt_ms: number }>(
    client,
    sqlText`
    SELECT partition, next_offset, generation, attempt_ms FROM ${CATALOG}.stream_offset
    WHERE view = ${view.name} AND version = ${version} AND topic = ${topic} AND partition = ANY(${column((a) => a.partition)}::int[])`,
  );
  const ours =
    rows.length === advances.length &&
    rows.every((row) => row.generation === fence.generation && row.attempt_ms === fence.attemptMs);
  const lost = lostOffsets(rows, new Map(advances.map((advance) => [advance.partition, advance.fromOffset])));
  if (ours && lost !== null) throw wentBack(view.name, version, lost);
  if (ours)
    throw internalBug(
      `${view.name}: the token is ours and the stored offsets are not: ${advances.map((a) => `${a.partition}@${a.fromOffset}`).join(', ')}`,
    );
  throw new Superseded();
}

/** The row lock of the version gives commits one order across shards. */
async function takeSeq(client: pg.PoolClient, { view, version }: RunStreamOptions): Promise<number> {
  const { rows } = await runSql<{ seq: number }>(
    client,
    sqlText`
    UPDATE ${CATALOG}.view_version SET seq = seq + 1
    WHERE view = ${view.name} AND version = ${version} AND status IN ('built', 'live', 'superseded') RETURNING seq`,
  );
  const row = rows[0];
  if (row === undefined) {
    throw new MillraceError(
      'version-not-streamable',
      `${view.name}, version ${version} was retired or discarded while it was streaming`,
      {
        remedy: 'Stop this stream; start one of the live version.',
        httpStatus: 409,
      },
    );
  }
  return row.seq;
}

function commitRecordInsert(
  advances: readonly PartitionAdvance[],
  { seq, commitId }: { readonly seq: number; readonly commitId: bigint },
  { options, topic }: CommitTarget,
): SqlText {
  return sqlText`
    INSERT INTO ${CATALOG}.commit_record (view, version, seq, topic, partition, from_offset, until_offset, watermark_us, fingerprint, commit_id)
    SELECT ${options.view.name}, ${options.version}, ${seq}::bigint, ${topic}, c.partition, c.from_offset, c.until_offset, c.watermark_us,
      ${options.view.fingerprint}, ${String(commitId)}::bigint
    FROM unnest(
      ${advances.map((a) => a.partition)}::int[], ${advances.map((a) => a.fromOffset)}::bigint[], ${advances.map((a) => a.nextOffset)}::bigint[],
      ${advances.map((a) => a.watermarkUs)}::bigint[]
    ) AS c(partition, from_offset, until_offset, watermark_us)`;
}
