import type { AnyErrorCode } from './error-codes.ts';

/** What a MillraceError carries beside its code and message. */
export interface MillraceErrorOptions {
  /** What to do about it, as a full sentence. */
  readonly remedy: string;
  /** Whether the same call may succeed later without a change. Default false. */
  readonly retryable?: boolean | undefined;
  /** Retryable, and it passes without anybody's change here: work waits for as long as it takes (`engine/faults`). Default false. */
  readonly waits?: boolean | undefined;
  /** The status an HTTP surface answers with. Default 400. */
  readonly httpStatus?: number | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/**
 * The one error of Millrace: a stable kebab-case code, a message (what, where, expected, received) and a remedy.
 *
 * @example
 * throw new MillraceError('unknown-view', 'no view "rout_delays"; known: route_delays', { remedy: 'Correct the name.', httpStatus: 404 });
 */
export class MillraceError extends Error {
  readonly code: AnyErrorCode;
  readonly remedy: string;
  readonly retryable: boolean;
  readonly waits: boolean;
  readonly httpStatus: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: AnyErrorCode, message: string, options: MillraceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.remedy = options.remedy;
    this.waits = options.waits ?? false;
    this.retryable = options.retryable ?? this.waits;
    this.httpStatus = options.httpStatus ?? 400;
    this.details = options.details ?? {};
  }
}

/** True for errors of this class. */
export function isMillraceError(error: unknown): error is MillraceError {
  return error instanceof MillraceError;
}

/** The error for a broken invariant: a fault of Millrace itself, never of its user. */
export function internalBug(message: string, details?: Readonly<Record<string, unknown>>): MillraceError {
  return new MillraceError('internal-bug', message, {
    remedy: 'This is a bug in Millrace: report it with this message.',
    httpStatus: 500,
    details,
  });
}

/** Throws `internal-bug` unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw internalBug(message);
}
