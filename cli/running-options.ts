import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { LifecycleInput, LifecycleOptions } from '../workflows/feature-lifecycle/contract.ts';
import { checkLifecycleInput } from '../workflows/feature-lifecycle/input.ts';
import { namesOf } from './with-temporal.ts';

/** An option that a start asks for, and that the running lifecycle has otherwise. */
export interface OtherOption {
  readonly option: keyof LifecycleOptions;
  readonly running: LifecycleOptions[keyof LifecycleOptions];
  readonly asked: LifecycleOptions[keyof LifecycleOptions];
}

/**
 * Which of the options `asked` for the view's running lifecycle has otherwise: it keeps those it was started with. Read off the first event of its
 * run, for which no worker is needed.
 *
 * @example
 * await otherOptions(client, 'clicks_1h', { shards: 4 }); // [{ option: 'shards', running: 1, asked: 4 }]
 */
export async function otherOptions(
  client: Client,
  view: string,
  asked: Partial<LifecycleOptions>,
): Promise<OtherOption[]> {
  const names = namesOf(client);
  const workflowId = names.lifecycleId(view);
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 1,
  });
  const payload = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  const input: LifecycleInput = payload == null ? { view } : defaultPayloadConverter.fromPayload(payload);
  const running = checkLifecycleInput(input, workflowId, names).options;
  const wanted = checkLifecycleInput({ view, options: asked }, workflowId, names).options;
  return (Object.keys(asked) as (keyof LifecycleOptions)[])
    .filter((option) => running[option] !== wanted[option])
    .map((option) => ({ option, running: running[option], asked: wanted[option] }));
}

/** Throws MillraceError `other-options` where there are any: what was asked for is not so. */
export function refuseOtherOptions(client: Client, view: string, others: readonly OtherOption[]): void {
  if (others.length === 0) return;
  const named = others.map(({ option, running, asked }) => `${option} is ${running}, asked for: ${asked}`);
  const workflowId = namesOf(client).lifecycleId(view);
  throw new MillraceError('other-options', `view "${view}" runs already, with other options: ${named.join('; ')}`, {
    remedy: `It keeps the options it was started with. To change them: millrace pause ${view} --wait; terminate the workflow ${workflowId} in the Temporal UI (what is served stays; "retire" would drop it); then start it with the new options: it takes over what is served, and streams after "millrace promote ${view}".`,
    httpStatus: 409,
    details: { view, others },
  });
}
