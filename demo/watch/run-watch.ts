import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTopics } from '../../cli/create-topics.ts';
import { count, Output } from '../../cli/output.ts';
import { readEnvironment } from '../../config/environment.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { startStack } from '../../stack/local-stack.ts';
import { ProgressLine } from '../loop/progress-line.ts';
import { PARTITIONS } from './departures.ts';
import { printWatch } from './print-watch.ts';
import { DAY_MS, WATCH_FAULTS, WEEK_MS } from './watch-faults.ts';
import { learnPast, replayWeek, type WatchContext } from './watch-runs.ts';
import { type FaultVerdict, isWatched, type SeenAlert, verdictOf, type WatchFigures } from './watch-verdict.ts';
import { JANUARY_MS, prepareWatch } from './watch-workspace.ts';
import { SOURCE } from './watched-installation.ts';

export interface WatchOptions {
  /** Print the figures as one JSON object in the last line. */
  readonly json: boolean;
  /** Names of the runs; default all. */
  readonly only?: readonly string[] | undefined;
  /** So many weeks before the replayed one are learnt from. Default: all since January. */
  readonly weeks?: number | undefined;
}

const DAYS = 7;

/**
 * A week of real flights of June 2001, once as it was and once with each fault planted in it: what monitors say of each, and when. Returns the exit code: 1 if a fault is
 * missed, found late or as something else, or anything else is said.
 *
 * @example
 * process.exitCode = await runWatch({ json: true });
 */
export async function runWatch({ json, only, weeks }: WatchOptions): Promise<number> {
  const startedMs = performance.now();
  const output = new Output();
  const progress = new ProgressLine(output, startedMs);
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(new MillraceError('interrupted', 'the demo was interrupted', { remedy: 'Run it again.' }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-watch-'));
  // Postgres of a process that runs as root has another user.
  await chmod(folder, 0o755);
  let stop = async (): Promise<void> => undefined;
  try {
    const env = readEnvironment({
      MILLRACE_LOG_LEVEL: 'warn',
      ...process.env,
      MILLRACE_DATA_DIR: join(folder, 'stack'),
    });
    setProcessMemory(env.memoryMb);
    progress.now('preparing flights, starting services');
    const [workspace, stack] = await Promise.all([
      prepareWatch(folder),
      startStack({
        env,
        only: ['postgres', 'kafka'],
        onProgress: (line) => output.note(line),
        onServiceLost: (error) => abort.abort(error),
        signal: abort.signal,
      }),
    ]);
    stop = async () => {
      await Promise.all([stack.stop(), workspace.close()]);
    };
    const runs = [null, ...WATCH_FAULTS].filter((fault) => only?.includes(fault?.name ?? 'none') ?? true);
    await createTopics(stack.kafka, [SOURCE, ...runs.map((fault) => `${SOURCE}.${fault?.name ?? 'none'}`)], PARTITIONS);
    await mkdir(join(folder, 'spill'), { recursive: true });
    const context: WatchContext = {
      places: { databaseUrl: stack.databaseUrl, kafka: stack.kafka, folder, signal: abort.signal },
      workspace,
      sinceMs: weeks === undefined ? JANUARY_MS : WEEK_MS - weeks * 7 * DAY_MS,
      lastsMs: DAYS * DAY_MS,
      onStep: (text) => progress.now(text),
    };
    await learnPast(context);
    output.note(`${seconds(startedMs)} s: monitors of ${count(workspace.historyRows)} flights from January on`);
    const verdicts: FaultVerdict[] = [];
    const others: SeenAlert[] = [];
    for (const fault of runs) {
      const alerts = await replayWeek(context, fault);
      if (fault === null) others.push(...alerts);
      else {
        const verdict = verdictOf(fault, alerts);
        verdicts.push(verdict);
        others.push(...verdict.falseAlerts);
      }
      output.note(
        `${seconds(startedMs)} s: ${fault?.name ?? 'none'}: ${alerts.length} alerts${alerts.map(({ text }) => `\n  ${text}`).join('')}`,
      );
    }
    const figures: WatchFigures = {
      faults: verdicts.map(({ name, found, delayMinutes, placeRight, segmentRight, fieldRight }) => ({
        name,
        found,
        delayMinutes,
        placeRight,
        segmentRight,
        fieldRight,
      })),
      falseAlerts: others.length,
      seconds: seconds(startedMs),
    };
    printWatch(output, figures, verdicts, others);
    if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    return isWatched(figures) ? 0 : 1;
  } finally {
    progress.now('stopping');
    abort.abort();
    await stop();
    progress.end();
    await rm(folder, { recursive: true, force: true });
    output.end();
  }
}

function seconds(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 1000);
}
