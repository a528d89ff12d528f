import { CancelledFailure, cancellationDetails, Context } from '@temporalio/activity';
import { pairsStatus } from '../engine/pairs/pairs-status.ts';
import { runPairs } from '../engine/pairs/run-pairs.ts';
import { fencePairs as fence } from '../engine/pairs/fence-pairs.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import { kafkaNotConfigured } from '../engine/topic/topic-errors.ts';
import type { PairsSliceInput, PairsSliceSummary } from '../workflows/join-pairs/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { UNNAMED_TRIES } from './activity-error.ts';
import { boundedWaiting, SLICE_STILL_FOR_MS, waitingFigures, withPulse } from './heartbeat.ts';
import { labelSetNamed } from './resolve-pairs.ts';
import { countSlice } from './slice-counters.ts';

/** The engine reports every second, also while it waits for a service: a minute of silence is a hang. */
const SILENT_FOR_MS = 60_000;

/**
 * One slice of a joiner: joins and sends until its budget is used up or it is asked to stop. Truth is in Postgres, so whatever ends it, the next slice goes
 * on exactly there.
 */
export async function runPairsSlice(deps: ActivityDeps, input: PairsSliceInput): Promise<PairsSliceSummary> {
  const rule = labelSetNamed(deps, input.labelSet);
  const { reader, topicReader, writer, pool } = deps;
  if (reader === null || topicReader === null || writer == null)
    throw kafkaNotConfigured(`label set "${rule.name}" is joined from topics onto one`);
  const topic = installationOf(pool).pairsTopic(rule.name);
  const { currentAttemptScheduledTimestampMs: attemptMs } = Context.current().info;
  const result = await withPulse({ silentForMs: SILENT_FOR_MS, stillForMs: SLICE_STILL_FOR_MS }, (pulse) =>
    runPairs({
      rule,
      topic,
      pool,
      reader,
      pairsReader: topicReader,
      writer,
      memory: deps.memory,
      fence: { generation: input.generation, attemptMs, owner: deps.identity },
      until: 'forever',
      deadlineMs: input.budgetMs,
      signal: pulse.signal,
      clock: deps.clock,
      waiting: input.waiting,
      limits: { unnamedTries: UNNAMED_TRIES },
      onProgress: ({ records, pairs, sent, lag, held, recordsPerSecond, turns, state, waitingFor, waiting }) =>
        pulse.report(
          {
            state,
            records,
            pairs,
            sent,
            lag,
            held,
            rate: Math.round(recordsPerSecond),
            ...waitingFigures(waitingFor, waiting),
          },
          turns,
        ),
    }),
  );
  const { records, pairs, lag, waiting, ended } = result;
  countSlice(Context.current(), ended, records);
  const { generation, figures } = await pairsStatus(pool, rule.name, topic);
  const summary = { records, pairs, lag, figures, waiting: boundedWaiting(waiting) ?? null };
  if (ended === 'superseded') return { ...summary, ended, generation };
  if (ended !== 'aborted') return { ...summary, ended };
  const why = cancellationDetails();
  // Not the workflow's wish: the attempt was paused or reset by hand, and is to be tried again.
  if (why?.paused === true || why?.reset === true) throw new CancelledFailure('the activity was paused or reset');
  return { ...summary, ended: why?.workerShutdown === true ? 'worker-shutdown' : 'aborted' };
}

/** After this no joiner of the label set with an older generation can commit anything, however long its worker was frozen. */
export async function fencePairs(
  { pool }: ActivityDeps,
  input: { readonly labelSet: string; readonly topic: string; readonly generation: number },
): Promise<void> {
  await fence({ pool, ...input });
}
