/** Where workflows and their short activities run: what a start form names. */
export const TASK_QUEUE = 'millrace';

/** The task queue by the environment: MILLRACE_TASK_QUEUE, for installations that share a namespace, else `millrace`. */
export function taskQueueOf(variables: Readonly<Record<string, string | undefined>>): string {
  return variables['MILLRACE_TASK_QUEUE'] ?? TASK_QUEUE;
}

/** Where backfills and exports run: few at a time, each with its memory; pausing or publishing never waits for a slot here. */
export function batchQueueOf(taskQueue: string): string {
  return `${taskQueue}-batch`;
}

/** Where stream slices run: each holds a slot for as long as its view streams. */
export function streamQueueOf(taskQueue: string): string {
  return `${taskQueue}-stream`;
}
