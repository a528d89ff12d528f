import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import { queryPairs, sendPairsCommand, startPairs } from '../../cli/pairs-client.ts';
import { receivedCode } from '../../engine/errors/error-codes.ts';
import { isMillraceError, MillraceError } from '../../engine/errors/millrace-error.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { poolAddress } from '../../engine/postgres/pool.ts';
import { namePostgresError } from '../../engine/postgres/postgres-error.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { TASK_QUEUE } from '../../workflows/task-queues.ts';
import { taken } from '../features/offers.ts';
import { PAIRS_TOPIC } from './check-pairs.ts';

const POLL_MS = 250;
const SLICE_SECONDS = 20;

/** Starts the joiner; a slice of it ends often, so that one after the other goes on where it stopped. */
export async function startJoiner(client: Client): Promise<void> {
  await startPairs(client, taken.name, TASK_QUEUE, { sliceSeconds: SLICE_SECONDS });
}

/** Waits until both logs are joined to their present ends, and all pairs are sent. Outages are sat out; a joiner that failed ends the wait. */
export async function pairsSettled(
  { pool, reader, temporal }: { readonly pool: pg.Pool; readonly reader: LogReader; readonly temporal: Client },
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const behind = await behindOf(pool, reader);
    if (behind === 0) return;
    if (behind !== null) onProgress(`waiting for the pairs: ${behind} records to join and to send`);
    await refuseFailed(temporal);
    await delay(POLL_MS);
  }
}

/** Pauses the joiner and waits until it writes nothing. */
export async function pauseJoiner(client: Client, signal: AbortSignal): Promise<void> {
  await sendPairsCommand(client, taken.name, TASK_QUEUE, 'pause');
  for (;;) {
    signal.throwIfAborted();
    if ((await refuseFailed(client)) === 'paused') return;
    await delay(POLL_MS);
  }
}

async function refuseFailed(client: Client): Promise<string | null> {
  const status = await queryPairs(client, taken.name, TASK_QUEUE);
  if (status?.phase !== 'failed') return status?.phase ?? null;
  const { code, message, remedy } = status.error ?? {};
  throw new MillraceError(receivedCode(code ?? 'workflow-failed'), `the pairs of ${taken.name}: ${message}`, {
    remedy: remedy ?? 'See the workflow.',
  });
}

/** Records that are to be joined or sent; null while a service is away. */
async function behindOf(pool: pg.Pool, reader: LogReader): Promise<number | null> {
  try {
    const { decisionsTopic, outcomesTopic } = installationNames();
    const ends = await Promise.all([decisionsTopic, outcomesTopic].map((topic) => reader.bounds(topic)));
    const said = ends.flatMap(({ partitions }) => partitions).reduce((sum, { endOffset }) => sum + endOffset, 0);
    const { rows } = await pool.query<{ joined: string | null }>(
      'SELECT sum(next_offset) AS joined FROM millrace_catalog.pair_offset WHERE label_set = $1',
      [taken.name],
    );
    const { figures } = await pairsStatus(pool, taken.name, PAIRS_TOPIC);
    return said - Number(rows[0]?.joined ?? 0) + figures.outbox;
  } catch (error) {
    const named = namePostgresError(error, poolAddress(pool));
    if (isMillraceError(named) && named.retryable) return null;
    throw named;
  }
}
