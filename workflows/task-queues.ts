import { installationNames } from '../engine/installation/installation-names.ts';

/** Where workflows and their short activities run: what a start form names. */
export const TASK_QUEUE = 'millrace';

/** The task queue by the environment: MILLRACE_TASK_QUEUE, else `millrace`; an installation has its own of that name. */
export function taskQueueOf(variables: Readonly<Record<string, string | undefined>>): string {
  const names = installationNames(variables['MILLRACE_INSTALLATION']);
  return names.taskQueue(variables['MILLRACE_TASK_QUEUE'] ?? TASK_QUEUE);
}

/** Where backfills and exports run: few at a time, each with its memory; pausing or publishing never waits for a slot here. */
export function batchQueueOf(taskQueue: string): string {
  return `${taskQueue}-batch`;
}

/** Where commands that train models run: on workers that may run them, one at a time each. */
export function trainQueueOf(taskQueue: string): string {
  return `${taskQueue}-train`;
}

/** Where stream slices run: each holds a slot for as long as its view streams. */
export function streamQueueOf(taskQueue: string): string {
  return `${taskQueue}-stream`;
}
