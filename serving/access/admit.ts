import type { MiddlewareHandler } from 'hono';
import type { Admitted, Gate } from './gate.ts';

/** What a request that was let in carries on its way. */
export interface AdmittedEnv {
  readonly Variables: { readonly admitted: Admitted };
}

/** Lets a request in, or refuses it before its body is read. */
export function admit(gate: Gate): MiddlewareHandler<AdmittedEnv> {
  return async (c, next) => {
    c.set('admitted', await gate.admit(c.req.header('authorization')));
    await next();
  };
}
