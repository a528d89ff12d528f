import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type OnProgress, withHeartbeat } from './progress.ts';
import { logTail, type SupervisedProcess } from './supervised-process.ts';

export interface ReadinessOptions {
  readonly service: string;
  readonly process: SupervisedProcess;
  readonly logFile: string;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
  /** One real operation against the service; throws while it is not ready. */
  readonly probe: () => Promise<void>;
}

/** A start may replay a log after a crash: long, but not for ever. */
const LIMIT_MS = 300_000;

/**
 * Resolves once `probe` succeeds; on failure the process is stopped.
 *
 * @throws MillraceError `service-did-not-start` if it ends or stays unready for five minutes
 */
export async function awaitReady(options: ReadinessOptions): Promise<void> {
  const ending: { code: number | null } = { code: null };
  void options.process.exited.then((code) => {
    ending.code = code;
  });
  const begun = performance.now();
  let lastFault: unknown = null;
  const poll = async (): Promise<boolean> => {
    while (ending.code === null && performance.now() - begun < LIMIT_MS) {
      options.signal?.throwIfAborted();
      try {
        await options.probe();
        return true;
      } catch (error) {
        lastFault = error;
        await Promise.race([delay(100), options.process.exited]);
      }
    }
    return false;
  };
  try {
    const line = (seconds: number): string => `${options.service}: starting, ${seconds} s so far`;
    if (await withHeartbeat(options.onProgress, line, poll())) return;
  } catch (error) {
    await options.process.stop();
    throw error;
  }
  const what = ending.code === null ? `is not ready after ${LIMIT_MS / 1000} s` : `ended with exit code ${ending.code}`;
  await options.process.stop();
  throw new MillraceError(
    'service-did-not-start',
    `${options.service} ${what} (log: ${options.logFile}):\n${logTail(options.logFile)}`,
    {
      remedy: 'Read the log; a data directory that is beyond repair is replaced with --reset.',
      httpStatus: 500,
      cause: lastFault,
      details: { service: options.service },
    },
  );
}
