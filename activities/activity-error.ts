import { CompleteAsyncError, Context, log } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';

/** Errors nobody named are tried this often before a person is asked: they may pass, and they may be bugs. */
const UNNAMED_TRIES = 5;

/** `always`: an activity that has to succeed in the end, however long it takes. */
export type RetryRule = 'by-error' | 'always';

/**
 * Gives an activity our errors' shape on Temporal: failure type = code, non-retryable unless the error says otherwise, remedy in
 * the details. A cancellation stays a cancellation.
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
      return await run(input);
    } catch (error) {
      throw toFailure(error, rule);
    }
  };
}

function toFailure(error: unknown, rule: RetryRule): unknown {
  const context = Context.current();
  if (error instanceof CancelledFailure || error instanceof CompleteAsyncError || error instanceof ApplicationFailure)
    return error;
  // What breaks off because we were asked to stop is not a fault.
  const { aborted, reason } = context.cancellationSignal;
  if (aborted && (error === reason || isAbort(error)))
    return new CancelledFailure(error instanceof Error ? error.message : 'cancelled');
  const named = namePostgresError(error, 'DATABASE_URL');
  if (isMillraceError(named)) {
    return ApplicationFailure.create({
      message: named.message,
      type: named.code,
      nonRetryable: rule === 'by-error' && !named.retryable,
      details: [
        // Which release answers: workers of several may share a queue while an upgrade is under way.
        {
          remedy: named.remedy,
          engine: ENGINE_SEMANTICS,
          ...(Object.keys(named.details).length === 0 ? {} : { about: plain(named.details) }),
        },
      ],
      cause: named,
    });
  }
  log.error('activity failed with an error nobody named', { error });
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return ApplicationFailure.create({
    message,
    type: 'unexpected-error',
    nonRetryable: rule === 'by-error' && context.info.attempt >= UNNAMED_TRIES,
    details: [{ remedy: 'Read the worker\'s log; when the cause is gone, send "retry".' }],
    ...(error instanceof Error ? { cause: error } : {}),
  });
}

function isAbort(error: unknown): boolean {
  return (
    (error instanceof Error && error.name === 'AbortError') ||
    (error instanceof MillraceError && /abort|cancel/.test(error.code))
  );
}

/** Details as JSON can carry them: bigints as strings. */
function plain(details: Readonly<Record<string, unknown>>): unknown {
  return JSON.parse(
    JSON.stringify(details, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
}
