import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type OnProgress, withHeartbeat } from './progress.ts';
import { logTail, startSupervised, type SupervisedOptions } from './supervised-process.ts';

export interface StepOptions extends SupervisedOptions {
  readonly onProgress: OnProgress;
  /** The progress line while it runs, given the seconds so far. */
  readonly line: (seconds: number) => string;
  /** What to do when it fails, as a sentence. */
  readonly remedy: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a command to its end, with a line of progress every five seconds; it ends with this process or when `signal` aborts.
 *
 * @throws MillraceError `stack-step-failed` with the end of its output
 */
export async function runStep(options: StepOptions): Promise<void> {
  options.signal?.throwIfAborted();
  const step = await startSupervised(options);
  const onAbort = (): void => void step.stop();
  options.signal?.addEventListener('abort', onAbort);
  try {
    const code = await withHeartbeat(options.onProgress, options.line, step.exited);
    options.signal?.throwIfAborted();
    if (code === 0) return;
    throw new MillraceError(
      'stack-step-failed',
      `${options.name} failed with exit code ${code} (log: ${options.logFile}):\n${logTail(options.logFile)}`,
      { remedy: options.remedy, httpStatus: 500, details: { step: options.name, code } },
    );
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}
