import type { RateLimits } from './rate-budget.ts';
import type { Scope } from './scope.ts';

/** Who asks, and what for they may. */
export interface Caller {
  /** Of its budget and in logs: a token's id, `jwt:` and the subject, or `anyone`. */
  readonly id: string;
  readonly scopes: readonly Scope[];
  /** Null: what the process is set to. */
  readonly limits: { readonly [Limit in keyof RateLimits]: number | null };
}

/** Gives the caller a credential is of; null where it is none that counts here. */
export type Verify = (credential: string) => Promise<Caller | null>;

/** Who asks where nobody is asked who they are. */
export const ANYONE: Caller = {
  id: 'anyone',
  scopes: [{ kind: 'admin' }],
  limits: { entitiesPerS: null, bytesPerS: null },
};
