import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type pg from 'pg';
import { queryStatus, sendCommand, startLifecycle } from '../cli/lifecycle-client.ts';
import { receivedCode } from '../engine/errors/error-codes.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import { poolAddress } from '../engine/postgres/pool.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { streamOffsets } from '../engine/postgres/stream-offsets.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import { type ArchiveStatus, archiveStatusQuery, archiveWorkflowId } from '../workflows/archive-source/contract.ts';
import type { Command, LifecycleStatus, Phase } from '../workflows/feature-lifecycle/contract.ts';
import { TASK_QUEUE } from '../workflows/task-queues.ts';

const POLL_MS = 250;

/** Starts the archive of each source; files roll within seconds, so that audits find something there. */
export async function startArchives(client: Client, sources: readonly string[]): Promise<void> {
  for (const source of sources) {
    try {
      await client.workflow.start('archiveSource', {
        workflowId: archiveWorkflowId(source),
        taskQueue: TASK_QUEUE,
        args: [{ source, options: { rollSeconds: 5, sliceSeconds: 60 } }],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
}

/** Starts every view's lifecycle at once and waits until all are published; then promotes all and waits until all stream. */
export async function startViews(
  client: Client,
  views: readonly string[],
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let published = 0;
  let streaming = 0;
  await Promise.all(
    views.map(async (view) => {
      // More entities than any view has: every state is compared at promotion.
      await startLifecycle(client, view);
      await reach(client, view, 'published', signal);
      onProgress(`${++published} of ${views.length} views published`);
    }),
  );
  await Promise.all(
    views.map(async (view) => {
      await command(client, view, 'promote', ({ promoted }) => promoted, signal);
      const { proof } = await reach(client, view, 'streaming', signal);
      if (proof?.verdict !== 'equal') throw notProven(view, JSON.stringify(proof));
      onProgress(`${++streaming} of ${views.length} views streaming`);
    }),
  );
}

/** Pauses a view and waits until nothing writes it. */
export async function pauseView(client: Client, view: string, signal: AbortSignal): Promise<void> {
  await command(client, view, 'pause', ({ paused }) => paused, signal);
  await reach(client, view, 'paused', signal);
}

/** Waits for a phase. Throws the lifecycle's own error when it fails. */
async function reach(client: Client, view: string, phase: Phase, signal: AbortSignal): Promise<LifecycleStatus> {
  for (;;) {
    signal.throwIfAborted();
    const status = await queryStatus(client, view);
    if (status?.phase === phase) return status;
    if (status !== null) refuseFailed(`view "${view}"`, status);
    await delay(POLL_MS);
  }
}

/** Sends a command until it is known to have arrived: the answer may be lost where the machine is busy. */
async function command(
  client: Client,
  view: string,
  name: Command,
  hasArrived: (status: LifecycleStatus) => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await sendCommand(client, view, name);
      return;
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      const status = await queryStatus(client, view);
      if (status !== null && hasArrived(status)) return;
      if (!error.retryable) throw error;
    }
  }
}

/** Waits until every view's stream stands at the present end of its topic. Outages are sat out; a view that failed ends the wait. */
export async function caughtUp(
  { pool, reader, temporal }: { readonly pool: pg.Pool; readonly reader: LogReader; readonly temporal: Client },
  views: readonly string[],
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const view of views) {
    for (;;) {
      signal.throwIfAborted();
      const lag = await lagOf(pool, reader, view);
      if (lag === 0) break;
      if (lag !== null) onProgress(`waiting for ${view}: ${lag} records behind`);
      const status = await queryStatus(temporal, view);
      if (status !== null) refuseFailed(`view "${view}"`, status);
      await delay(POLL_MS);
    }
  }
}

/** Throws what an archive failed with. */
export async function archivesAreWell(client: Client, sources: readonly string[]): Promise<void> {
  for (const source of sources) {
    const status = await client.workflow.getHandle(archiveWorkflowId(source)).query(archiveStatusQuery);
    refuseFailed(`the archive of "${source}"`, status);
  }
}

function refuseFailed(what: string, { phase, error }: Pick<LifecycleStatus | ArchiveStatus, 'phase' | 'error'>): void {
  if (phase !== 'failed' && phase !== 'built') return;
  throw new MillraceError(
    receivedCode(error?.code ?? 'workflow-failed'),
    `${what} failed during ${error?.during}: ${error?.message}`,
    { remedy: error?.remedy ?? 'See the workflow.' },
  );
}

/** Records between a view's stream and the end of its topic; null while a service is away. */
async function lagOf(pool: pg.Pool, reader: LogReader, view: string): Promise<number | null> {
  try {
    const live = await liveVersion(pool, view);
    if (live?.topic == null) return null;
    const offsets = new Map((await streamOffsets(pool, view, live.version)).map((at) => [at.partition, at.nextOffset]));
    const { partitions } = await reader.bounds(live.topic);
    return partitions.reduce((sum, end) => sum + Math.max(0, end.endOffset - (offsets.get(end.partition) ?? 0)), 0);
  } catch (error) {
    const named = namePostgresError(error, poolAddress(pool));
    if (isMillraceError(named) && named.retryable) return null;
    throw named;
  }
}

function notProven(view: string, proof: string): MillraceError {
  return new MillraceError('promotion-not-proven', `view "${view}" streams without a proof of equality: ${proof}`, {
    remedy: 'See its workflow.',
  });
}
