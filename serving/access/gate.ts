import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { Clock } from '../../engine/values/clock.ts';
import { ANYONE, type Caller, type Verify } from './caller.ts';
import { CallerBudget, type RateLimits } from './rate-budget.ts';

/** Callers whose budgets are remembered; whoever has not asked for longest is forgotten, and owes nothing. */
const MOST_CALLERS = 10_000;

/** Lets callers in, and counts what they take. */
export interface Gate {
  /**
   * Who an `Authorization` header is of. Throws MillraceError `unauthorized` (401), `too-many-requests` (429), and what the check itself meets
   * (503).
   */
  admit(authorization: string | undefined): Promise<Admitted>;
  /** A caller who is known otherwise. Throws MillraceError `too-many-requests`. */
  admitCaller(caller: Caller): Admitted;
  /** Whether nobody is asked who they are. */
  readonly isOpen: boolean;
}

/** One request of a caller. */
export interface Admitted {
  readonly caller: Caller;
  /** What it cost: look-ups (entities times views, or roles of them), and bytes of its body. */
  readonly spend: (lookUps: number, bytes: number) => void;
}

export interface GateOptions {
  /** How callers are known; empty: nobody is asked who they are. */
  readonly verifiers: readonly Verify[];
  readonly clock: Clock;
  /** Of each caller whose token says nothing else. */
  readonly perCaller: RateLimits;
  /** Of all of them together. */
  readonly perProcess: RateLimits;
}

/**
 * The gate before the API.
 *
 * @example
 * const gate = createGate({ verifiers: [verifyTokens(book)], clock: systemClock, perCaller, perProcess });
 * const { caller } = await gate.admit('Bearer mr_…');
 */
export function createGate({ verifiers, clock, perCaller, perProcess }: GateOptions): Gate {
  const all = new CallerBudget('this server', perProcess, clock);
  const budgets = new Map<string, CallerBudget>();

  const budgetOf = ({ id, limits }: Caller): CallerBudget => {
    const entitiesPerS = limits.entitiesPerS ?? perCaller.entitiesPerS;
    const bytesPerS = limits.bytesPerS ?? perCaller.bytesPerS;
    const budget = budgets.get(id) ?? new CallerBudget(`the token ${id}`, { entitiesPerS, bytesPerS }, clock);
    budgets.delete(id);
    budgets.set(id, budget);
    if (budgets.size > MOST_CALLERS) budgets.delete(budgets.keys().next().value ?? id);
    return budget;
  };

  const callerOf = async (authorization: string | undefined): Promise<Caller> => {
    if (verifiers.length === 0) return ANYONE;
    if (authorization === undefined) throw unauthorized('no token was given');
    const [scheme, credential, ...more] = authorization.split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || credential === undefined || credential === '' || more.length > 0) {
      throw unauthorized('the Authorization header is not "Bearer TOKEN"');
    }
    for (const verify of verifiers) {
      const caller = await verify(credential);
      if (caller !== null) return caller;
    }
    // Not why: whether a token is unknown, revoked or expired is nobody's business but its owner's, whom `millrace token list` tells.
    throw unauthorized('the token is unknown, revoked or expired');
  };

  return {
    isOpen: verifiers.length === 0,
    async admit(authorization) {
      return this.admitCaller(await callerOf(authorization));
    },
    admitCaller(caller) {
      const own = verifiers.length === 0 ? null : budgetOf(caller);
      own?.check();
      all.check();
      return {
        caller,
        spend(lookUps, bytes) {
          own?.spend(lookUps, bytes);
          all.spend(lookUps, bytes);
        },
      };
    },
  };
}

function unauthorized(why: string): MillraceError {
  return new MillraceError('unauthorized', why, {
    remedy:
      'Send "Authorization: Bearer TOKEN"; an administrator makes one with: millrace token create NAME --scope read:VIEW',
    httpStatus: 401,
  });
}

/** The refusal of what the caller's scopes do not cover. */
export function forbidden(what: string): MillraceError {
  return new MillraceError('forbidden', `the token may not ${what}`, {
    remedy: 'Ask for what it may, or have one made that may: millrace token create NAME --scope …',
    httpStatus: 403,
  });
}
