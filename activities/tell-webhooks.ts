import type { Context } from '@temporalio/activity';
import { sendWebhooks } from '../engine/alerts/send-webhooks.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Of each pool what is told now, and whether more was asked for meanwhile. */
const running = new WeakMap<object, { again: boolean }>();

/** Tells webhooks what waits for them, beside the evaluation: nobody waits for a server that does not answer. What it could not do the next call goes on with. */
export function tellWebhooks(deps: ActivityDeps, log: Context['log']): void {
  const { pool, clock, webhooks = [] } = deps;
  const known = running.get(pool);
  if (known !== undefined) known.again = true;
  if (known !== undefined || webhooks.length === 0) return;
  const state = { again: false };
  running.set(pool, state);
  const ended = sendWebhooks({
    pool,
    webhooks,
    clock,
    onFailure: (failure) => log.warn('a webhook was not told of an alert', { ...failure }),
  });
  // A database that is away, or a worker that ends: the rows are there, and the next evaluation sends them.
  void ended
    .then(
      () => state.again,
      () => false,
    )
    .then((again) => {
      running.delete(pool);
      if (again) tellWebhooks(deps, log);
    });
}
