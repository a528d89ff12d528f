import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { receivedCode } from '../engine/errors/error-codes.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { LifecycleStatus, Phase } from '../workflows/feature-lifecycle/contract.ts';
import { fromFailure, queryStatus, type RunningActivity, runningActivities } from './lifecycle-client.ts';
import { count, type Output } from './output.ts';
import { namesOf } from './with-temporal.ts';

const EVERY_MS = 500;
const ON_THE_WAY: readonly Phase[] = [
  'validating',
  'backfilling',
  'waiting',
  'upgrading',
  'refreshing',
  'catching-up',
  'proving',
  'pausing',
  'retiring',
];

/**
 * Waits until a lifecycle has come to rest (published, streaming, paused, retired), or to one of `enough`, and says how it goes
 * meanwhile. Throws the lifecycle's own error when it fails.
 *
 * @example
 * await followLifecycle(client, 'route_delays', output, ['published', 'streaming']);
 */
export async function followLifecycle(
  client: Client,
  view: string,
  output: Output,
  enough: readonly Phase[] = [],
): Promise<LifecycleStatus> {
  const handle = client.workflow.getHandle(namesOf(client).lifecycleId(view));
  for (;;) {
    const description = await handle.describe();
    if (description.status.name !== 'RUNNING' && description.status.name !== 'CONTINUED_AS_NEW')
      return await endOf(client, view);
    const status = await queryStatus(client, view);
    if (status === null) output.progress(`${view}: waiting for a worker to answer`);
    else {
      // An upgrade with an error waits for a person, and so does a version that is built and cannot be published.
      if (
        status.phase === 'failed' ||
        status.phase === 'built' ||
        (status.phase === 'upgrading' && status.error !== null)
      )
        throw failed(status);
      if (enough.includes(status.phase) || !ON_THE_WAY.includes(status.phase)) return status;
      const waits = status.waitingFor == null ? [] : [status.waitingFor.message];
      output.progress(
        `${view}: ${[status.phase, ...waits, ...runningActivities(description).map(progressOf)].join(' · ')}`,
      );
    }
    await delay(EVERY_MS);
  }
}

async function endOf(client: Client, view: string): Promise<LifecycleStatus> {
  const handle = client.workflow.getHandle(namesOf(client).lifecycleId(view));
  try {
    return (await handle.result()) as LifecycleStatus;
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure)
      throw fromFailure(error.cause);
    throw error;
  }
}

function failed({ view, error }: LifecycleStatus): MillraceError {
  return new MillraceError(
    receivedCode(error?.code ?? 'lifecycle-failed'),
    `view "${view}" failed during ${error?.during}: ${error?.message}`,
    {
      remedy: error?.remedy ?? `Send "retry": millrace retry ${view}`,
      httpStatus: 409,
    },
  );
}

/** The figures of a heartbeat as people read them. */
export function progressOf({ type, attempt, figures, lastFailure }: RunningActivity): string {
  const parts: string[] = [];
  const number = (name: string): number | null => (typeof figures[name] === 'number' ? figures[name] : null);
  const say = (name: string, unit: string): void => {
    const value = number(name);
    if (value !== null) parts.push(`${count(value)} ${unit}`);
  };
  if (typeof figures['phase'] === 'string') parts.push(figures['phase']);
  say('rows', 'rows');
  say('records', 'records');
  say('entities', 'entities');
  const percent = number('percent');
  if (percent !== null) parts.push(`${percent.toFixed(0)} %`);
  say('resumedAt', 'of them by an attempt before');
  say('saved', 'saved');
  if (typeof figures['restarted'] === 'string') parts.push(`begun anew: ${figures['restarted']}`);
  say('files', 'files');
  say('cellsCompared', 'cells compared');
  if (number('cellsDiffering') !== 0) say('cellsDiffering', 'DIFFER');
  say('rate', '/s');
  say('lag', 'behind');
  if (typeof figures['waitingFor'] === 'string') parts.push(`waiting: ${figures['waitingFor']}`);
  const retried = attempt > 1 ? ` (attempt ${attempt}${lastFailure === null ? '' : `; before: ${lastFailure}`})` : '';
  return `${parts.length === 0 ? type : parts.join(', ')}${retried}`;
}
