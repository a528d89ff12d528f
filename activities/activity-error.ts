import { CompleteAsyncError, Context, log } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import { installationOfQueue } from '../engine/installation/installation-names.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { bounded, boundedJson, RESULT_MOST_BYTES } from '../workflows/bounded.ts';
import { WAITED_BY_WORKFLOW } from '../workflows/waits-mark.ts';
import { counterOn } from './worker-metrics.ts';

/** Errors nobody named are tried this often in a row before a person is asked: they may pass, and they may be bugs. */
export const UNNAMED_TRIES = 5;
/** What has to succeed is tried this often in a row before the workflow says what stands in its way. */
const SILENT_TRIES = 2;

/** `always`: an activity that has to succeed in the end, however long it takes. */
export type RetryRule = 'by-error' | 'always';

/**
 * Gives an activity our errors' shape on Temporal: failure type = code, non-retryable unless the error says otherwise, remedy in
 * the details. A cancellation stays a cancellation. Whatever crosses to Temporal, result or failure, is bounded here.
 *
 * @example
 * return { publishView: asActivity('by-error', publish) };
 */
export function asActivity<Input, Result>(
  rule: RetryRule,
  run: (input: Input) => Promise<Result>,
): (input: Input) => Promise<Result> {
  return async (input) => {
    try {
      const result = await run(input);
      checkSize(result);
      return result;
    } catch (error) {
      const failure = toFailure(error, rule);
      if (failure instanceof ApplicationFailure) countFailure(failure);
      throw failure;
    }
  };
}

function countFailure({ type }: ApplicationFailure): void {
  const { info, metricMeter } = Context.current();
  const view = installationOfQueue(info.taskQueue).viewOfLifecycle(info.workflowExecution?.workflowId ?? '') ?? '';
  const labels = { view, activity_type: info.activityType, code: type ?? 'unexpected-error' };
  counterOn(metricMeter, 'millrace_activity_failures_total').add(1, labels);
}

function checkSize(result: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(result) ?? '');
  if (bytes <= RESULT_MOST_BYTES) return;
  throw new MillraceError('result-too-large', `a result of ${bytes} bytes; Temporal takes ${RESULT_MOST_BYTES}`, {
    remedy: 'What was done stands. Make names shorter, or the view or service smaller.',
    httpStatus: 500,
  });
}

function toFailure(error: unknown, rule: RetryRule): unknown {
  const context = Context.current();
  if (error instanceof CancelledFailure || error instanceof CompleteAsyncError || error instanceof ApplicationFailure)
    return error;
  // What breaks off because we were asked to stop is not a fault.
  const { aborted, reason } = context.cancellationSignal;
  if (aborted && (error === reason || isAbort(error)))
    return new CancelledFailure(error instanceof Error ? bounded(error.message) : 'cancelled');
  const { attempt, retryPolicy } = context.info;
  const workflowWaits = retryPolicy?.nonRetryableErrorTypes?.includes(WAITED_BY_WORKFLOW) === true;
  const isLastSilent = workflowWaits && rule === 'always' && attempt >= SILENT_TRIES;
  const named = namePostgresError(error, 'DATABASE_URL');
  if (isMillraceError(named)) {
    if (named.code === 'unexpected-error') logUnnamed(named.cause);
    return ApplicationFailure.create({
      message: bounded(named.message),
      type: named.code,
      nonRetryable: isLastSilent || (named.waits ? workflowWaits : rule === 'by-error' && !named.retryable),
      details: [
        // Which release answers: workers of several may share a queue while an upgrade is under way.
        {
          remedy: bounded(named.remedy),
          engine: ENGINE_SEMANTICS,
          ...(named.waits ? { waits: true } : {}),
          ...(Object.keys(named.details).length === 0 ? {} : { about: boundedJson(named.details) }),
        },
      ],
      cause: shortCause(named),
    });
  }
  logUnnamed(error);
  return ApplicationFailure.create({
    message: bounded(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
    type: 'unexpected-error',
    nonRetryable: isLastSilent || (rule === 'by-error' && attempt >= UNNAMED_TRIES),
    details: [{ remedy: 'Read the worker\'s log; when the cause is gone, send "retry".' }],
    ...(error instanceof Error ? { cause: shortCause(error) } : {}),
  });
}

function logUnnamed(error: unknown): void {
  log.error('activity failed with an error nobody named', {
    error: error instanceof Error ? shortCause(error) : bounded(String(error)),
  });
}

/** The error with its stack, both bounded, and what caused it left to its message. */
function shortCause(error: Error): Error {
  const short = new Error(bounded(error.message));
  short.name = error.name;
  short.stack = bounded(error.stack ?? '', STACK_MOST);
  return short;
}

/** In characters; a message stands in the stack, too. */
const STACK_MOST = 6_000;

function isAbort(error: unknown): boolean {
  return (
    (error instanceof Error && error.name === 'AbortError') ||
    (error instanceof MillraceError && /abort|cancel/.test(error.code))
  );
}
