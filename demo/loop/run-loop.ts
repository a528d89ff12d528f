import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startArchive } from '../../cli/archive-client.ts';
import { type DevSession, startDevSession } from '../../cli/dev-session.ts';
import { count, Output } from '../../cli/output.ts';
import { withTemporal } from '../../cli/with-temporal.ts';
import { type Environment, readEnvironment } from '../../config/environment.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { isShown, type LoopFigures } from './loop-figures.ts';
import { closeLoop } from './loop-path.ts';
import { writeClock } from './june-replay.ts';
import { AHEAD_US, JUNE_US, prepareLoop } from './loop-workspace.ts';
import { ProgressLine } from './progress-line.ts';

export interface LoopOptions {
  /** Print the figures as one JSON object in the last line. */
  readonly json: boolean;
  /** Where the report is written. */
  readonly html: string;
}

/** What is archived within a second: labels are final once their outcomes are, and a second is hours of June. */
const ROLL_SECONDS = 1;

/**
 * The whole loop on real flights of June 2001: train, evaluate, publish, decide, learn from what came of it, roll out on evidence, and return what is broken.
 * Returns the exit code: 1 if the model that stands in the end is not better than the base rate, the good one was not promoted, or the
 * broken one not returned.
 *
 * @example
 * process.exitCode = await runLoop({ json: true, html: 'loop.html' });
 */
export async function runLoop({ json, html }: LoopOptions): Promise<number> {
  const startedMs = performance.now();
  const output = new Output();
  const progress = new ProgressLine(output, startedMs);
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(new MillraceError('interrupted', 'the demo was interrupted', { remedy: 'Run it again.' }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-loop-'));
  let session: DevSession | null = null;
  try {
    progress.now('preparing flights');
    const workspace = await prepareLoop(folder);
    output.note(
      `flights between the ${workspace.airports} busiest airports: ${count(workspace.historyRows)} departures of January to May as history, ${count(workspace.juneRows)} of June to be replayed; it is decided on ${count(workspace.requests)} flights of June, one in ${workspace.decidedOf}`,
    );
    const clockFile = join(folder, 'broker-clock');
    await writeClock(clockFile, JUNE_US - AHEAD_US);
    const env = readEnvironment({
      MILLRACE_LOG_LEVEL: 'warn',
      ...process.env,
      MILLRACE_DATA_DIR: join(folder, 'stack'),
      // A decision carries what was served.
      MILLRACE_SERVED_SAMPLE: '0',
      MILLRACE_BROKER_CLOCK: clockFile,
    });
    session = await startDevSession({
      env,
      features: workspace.featuresDir,
      createTopics: true,
      archive: false,
      onProgress: (line) => output.note(line),
      onServiceLost: (error) => abort.abort(error),
      signal: abort.signal,
    });
    await archiveAtOnce(session, env);
    const spillDir = join(folder, 'spill');
    await mkdir(spillDir, { recursive: true });
    const work = closeLoop({
      session,
      env,
      clockFile,
      workspace,
      folder,
      spillDir,
      html,
      output,
      progress,
      signal: abort.signal,
    });
    const figures: LoopFigures = {
      ...(await abortable(abort.signal, work)),
      seconds: Math.round((performance.now() - startedMs) / 1000),
    };
    output.line(`report       ${html}`);
    output.line(`seconds      ${figures.seconds}`);
    if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    return isShown(figures) ? 0 : 1;
  } finally {
    progress.now('stopping');
    abort.abort();
    await session?.stop();
    progress.end();
    await rm(folder, { recursive: true, force: true });
    output.end();
  }
}

async function archiveAtOnce(session: DevSession, env: Environment): Promise<void> {
  const sources = ['departures', 'delay_decisions'];
  await withTemporal(session.temporal, env.installation, async (client) => {
    for (const source of sources) await startArchive(client, source, session.taskQueue, { rollSeconds: ROLL_SECONDS });
  });
}

/** Ends at once, with the signal's reason, on abort. */
async function abortable<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return await Promise.race([work, aborted]);
}
