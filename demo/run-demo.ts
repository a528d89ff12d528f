import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DevSession, startDevSession } from '../cli/dev-session.ts';
import { count, Output } from '../cli/output.ts';
import { startFormUrl, workflowUrl } from '../cli/with-temporal.ts';
import { invariant, MillraceError } from '../engine/errors/millrace-error.ts';
import { readEnvironment } from '../config/environment.ts';
import { type AuditFigures, auditViews } from './audit-views.ts';
import { compareWithServed } from './compare.ts';
import { exportJune } from './export-june.ts';
import { type FlightsWorkspace, prepareFlights } from './flights-workspace.ts';
import { liveReplay, type ReplayFigures } from './live-replay.ts';
import { promoteViews, startViews } from './lifecycles.ts';
import { printDefinitions } from './print-definitions.ts';
import { Replay } from './replay.ts';
import { chooseSamples, writeSpine } from './samples.ts';

const SERVICE = 'delay_model';
const TOPIC = 'flights';
const DAY_US = 86_400_000_000;
/** How much of June is in the topic before the batch starts, so that the cut lies inside the topic and not at its start. */
const BEFORE_CUT_US = 2 * DAY_US;
const CHECKPOINTS = 112;
const SAMPLES_PER_CHECKPOINT = 75;
const TRAINING_ROWS = 200_000;

export interface DemoOptions {
  /** Keep everything running afterwards, until Ctrl-C. */
  readonly stay: boolean;
  /** Print the figures as one JSON object in the last line. */
  readonly json: boolean;
}

/** The demo's result; the fields of `--json`. */
export interface DemoFigures extends ReplayFigures, AuditFigures {
  readonly rowsBackfilled: number;
  readonly backfillRowsPerSecond: number;
  readonly entities: number;
  readonly trainingRows: number;
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  readonly seconds: number;
}

/**
 * The whole path on three million real flights. Returns the exit code: 1 if a single cell differs, in the comparison or in the audits.
 *
 * @example
 * process.exitCode = await runDemo({ stay: false, json: true });
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startedMs = performance.now();
  // Results for people go to standard output too, but the JSON object stays the last line of it.
  const output = new Output();
  const abort = new AbortController();
  const interrupt = (): void =>
    abort.abort(new MillraceError('interrupted', 'the demo was interrupted', { remedy: 'Run it again.' }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
  let session: DevSession | null = null;
  try {
    output.progress('preparing three million flights');
    const workspace = await prepareFlights(folder, Date.now() * 1000);
    output.note(
      `flights: ${count(workspace.historyRows)} of January to May as history, ${count(workspace.juneRows)} of June to be replayed, shifted by ${count(workspace.shiftDays)} days`,
    );
    const env = readEnvironment({
      MILLRACE_LOG_LEVEL: 'warn',
      ...process.env,
      MILLRACE_DATA_DIR: join(folder, 'stack'),
    });
    session = await startDevSession({
      env,
      features: workspace.featuresDir,
      createTopics: true,
      onProgress: (line) => output.note(line),
      onServiceLost: (error) => abort.abort(error),
      signal: abort.signal,
    });
    const work = wholePath(session, workspace, { folder, servedTopic: env.servedTopic }, output, abort.signal);
    const figures = await abortable(abort.signal, work, () => ({
      seconds: (performance.now() - startedMs) / 1000,
    }));
    report(output, session, figures);
    if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    if (options.stay && !abort.signal.aborted) {
      output.note('everything keeps running; Ctrl-C stops it');
      await once(abort.signal, 'abort');
    }
    return isProof(figures) ? 0 : 1;
  } finally {
    output.progress('stopping');
    await session?.stop();
    await rm(folder, { recursive: true, force: true });
    output.end();
  }
}

type PathFigures = Omit<DemoFigures, 'seconds'>;

async function wholePath(
  session: DevSession,
  workspace: FlightsWorkspace,
  { folder, servedTopic }: { readonly folder: string; readonly servedTopic: string },
  output: Output,
  signal: AbortSignal,
): Promise<PathFigures> {
  const spillDir = join(folder, 'spill');
  await mkdir(spillDir, { recursive: true });
  const definitions = await printDefinitions(workspace.featuresDir, spillDir, output);
  const service = definitions.services.get(SERVICE);
  invariant(service !== undefined, `the demo defines no service "${SERVICE}"`);
  const replay = await Replay.start({
    junePath: workspace.junePath,
    topic: TOPIC,
    brokers: session.kafka.brokers,
    spillDir,
    signal,
  });
  try {
    const liveFromUs = workspace.juneFromUs + BEFORE_CUT_US;
    await replay.until(liveFromUs);
    const beforeCut = replay.sent;
    output.note(`topic ${TOPIC}: ${count(beforeCut)} flights of June's first days are there before the batch starts`);

    const backfilled = await startViews(session, output);
    signal.throwIfAborted();
    await promoteViews(session, output);

    const checkpoints = await chooseSamples(workspace.junePath, spillDir, {
      fromUs: liveFromUs,
      untilUs: workspace.untilUs,
      checkpoints: CHECKPOINTS,
      perCheckpoint: SAMPLES_PER_CHECKPOINT,
    });
    const { figures, served } = await liveReplay({
      session,
      workspace,
      replay,
      checkpoints,
      service,
      servedTopic,
      output,
      signal,
    });

    output.progress('writing the spine');
    const sampled = served.map(({ flightId }) => flightId);
    const spine = await writeSpine(workspace.junePath, folder, sampled, TRAINING_ROWS);
    const training = await exportJune(
      session,
      { service: SERVICE, spine: spine.path, out: join(folder, 'training.parquet'), timeZone: 'UTC' },
      output,
    );
    const comparison = await compareWithServed(training.out, spillDir, served);
    for (const example of comparison.examples) output.note(`DIFFERS  ${example}`);
    const audited = await auditViews(session, output);
    return {
      ...backfilled,
      ...figures,
      ...audited,
      trainingRows: training.rows,
      cellsCompared: comparison.cellsCompared,
      cellsDiffering: comparison.cellsDiffering,
    };
  } finally {
    await replay.stop();
  }
}

/** The work's figures and what `more` adds at its end; ends at once, with the signal's reason, on abort. */
async function abortable<T, M>(signal: AbortSignal, work: Promise<T>, more: () => M): Promise<T & M> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const result = await Promise.race([work, aborted]);
  return { ...result, ...more() };
}

function isProof({ cellsCompared, cellsDiffering, cellsAudited, cellsAuditedDiffering }: DemoFigures): boolean {
  return cellsCompared > 0 && cellsDiffering === 0 && cellsAudited > 0 && cellsAuditedDiffering === 0;
}

function report(output: Output, session: DevSession, figures: DemoFigures): void {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  output.table(
    ['what', 'figure'],
    [
      ['rows backfilled (2 views)', count(figures.rowsBackfilled)],
      ['backfill rows/s', count(figures.backfillRowsPerSecond)],
      ['events streamed (2 views)', count(figures.recordsStreamed)],
      ['lag at the end', count(figures.lag)],
      ['entities', count(figures.entities)],
      ['reads while streaming', count(figures.reads)],
      ['read p50 / p99', `${ms(figures.readP50Ms)} / ${ms(figures.readP99Ms)}`],
      ['training rows', count(figures.trainingRows)],
      ['cells compared', count(figures.cellsCompared)],
      ['cells differing', count(figures.cellsDiffering)],
      ['logged reads audited', count(figures.readsAudited)],
      ['cells audited', count(figures.cellsAudited)],
      ['audited cells differing', count(figures.cellsAuditedDiffering)],
      ['seconds', figures.seconds.toFixed(0)],
    ],
  );
  output.line(
    `${count(figures.cellsDiffering)} differing values of ${count(figures.cellsCompared)}: training ${figures.cellsDiffering === 0 ? 'equals' : 'DOES NOT EQUAL'} what was served, bit for bit`,
  );
  output.line(`Temporal UI  ${session.temporal.uiUrl}`);
  output.line(
    `a feature    ${workflowUrl(session.temporal, session.installation.lifecycleId(session.views[0] ?? ''))}`,
  );
  output.line(`start form   ${startFormUrl(session.temporal)}`);
  output.line(`API          ${session.apiUrl}   (OpenAPI: ${session.apiUrl}/openapi.json)`);
}
