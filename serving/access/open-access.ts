import { isIP } from 'node:net';
import type pg from 'pg';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { Clock } from '../../engine/values/clock.ts';
import { ConsoleSessions } from './console-sessions.ts';
import { createGate, type Gate } from './gate.ts';
import type { RateLimits } from './rate-budget.ts';
import { TokenBook } from './token-book.ts';
import { type JwtSettings, jwtVerifier } from './verify-jwt.ts';
import { tokenVerifier } from './verify-token.ts';

type SomeLimits = { readonly [Limit in keyof RateLimits]?: number | undefined };

/** Who may ask the API, and how much. */
export interface AccessSettings {
  /** Whether a token is asked for: one of ours, or one of the issuer's of `jwt`. */
  readonly auth: 'tokens' | 'open';
  readonly jwt?: JwtSettings | undefined;
  /** Of each token that has no limits of its own. Default: none. */
  readonly perCaller?: SomeLimits | undefined;
  /** Of all callers together. Default: none. */
  readonly perProcess?: SomeLimits | undefined;
}

/** Whether an address is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1' || host === '[::1]';
}

/**
 * Refuses to be reached by others without asking who they are. Throws MillraceError `exposed-api`.
 *
 * @param isMeant whether somebody said in so many words that everybody may read
 */
export function checkExposure(host: string, auth: AccessSettings['auth'], isMeant: boolean): void {
  if (auth === 'tokens' || isLoopback(host) || isMeant) return;
  throw new MillraceError('exposed-api', `the API would listen on ${host} and answer whoever asks`, {
    remedy: 'Set MILLRACE_API_AUTH=tokens, or listen on 127.0.0.1; MILLRACE_API_AUTH=open lets everybody in.',
    httpStatus: 500,
  });
}

/** The gate as the settings have it, and what ends it. */
export function openAccess(
  settings: AccessSettings,
  {
    pool,
    clock,
    onError,
  }: { readonly pool: pg.Pool; readonly clock: Clock; readonly onError: (error: unknown) => void },
): { readonly gate: Gate; readonly sessions: ConsoleSessions; close(): Promise<void> } {
  const book = new TokenBook(pool, clock, onError);
  const jwt = settings.jwt === undefined ? [] : [jwtVerifier(settings.jwt, clock)];
  const verifiers = settings.auth === 'open' ? [] : [tokenVerifier(book), ...jwt];
  const gate = createGate({
    verifiers,
    clock,
    perCaller: limitsOf(settings.perCaller),
    perProcess: limitsOf(settings.perProcess),
  });
  return { gate, sessions: new ConsoleSessions(book, jwt, clock), close: () => book.close() };
}

function limitsOf(given: SomeLimits | undefined): RateLimits {
  return {
    entitiesPerS: given?.entitiesPerS ?? Number.POSITIVE_INFINITY,
    bytesPerS: given?.bytesPerS ?? Number.POSITIVE_INFINITY,
  };
}
