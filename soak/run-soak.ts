import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count } from '../cli/output.ts';
import type { MillraceError } from '../engine/errors/millrace-error.ts';
import { SERVED_SOURCE } from '../engine/served/served-source.ts';
import { Audits } from './audits.ts';
import { faultPhase } from './fault-phase.ts';
import { archivesAreWell, startArchives, startViews } from './lifecycles.ts';
import { checkLabels } from './loop/check-labels.ts';
import { checkPairs } from './loop/check-pairs.ts';
import { startJoiner } from './loop/pairs-settled.ts';
import { livePhase } from './live-phase.ts';
import { seededRandom } from './random.ts';
import { readShapes } from './read-shapes.ts';
import type { AuditedView, SoakFigures } from './soak-figures.ts';
import type { SoakPlan } from './soak-plan.ts';
import { startWorld } from './soak-world.ts';

export interface SoakOptions {
  readonly plan: SoakPlan;
  readonly seed: number;
  /** What is going on now; said often. */
  readonly onProgress: (line: string) => void;
  /** A step that is done, or a remark. */
  readonly onNote: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The soak: twelve views over real services, fed, read, decided by, broken and brought back, then compared with the log to the bit; then faults are
 * planted, each of which an audit has to name. Whatever happens, everything it started is stopped and deleted.
 *
 * @example
 * const figures = await runSoak({ plan: planOf(10), seed: 1, onProgress: console.error, onNote: console.error });
 */
export async function runSoak(options: SoakOptions): Promise<SoakFigures> {
  const startedMs = performance.now();
  const over = new AbortController();
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal]);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-soak-'));
  const stops: (() => Promise<void>)[] = [];
  try {
    // Postgres runs as another user where we are root.
    await chmod(folder, 0o755);
    await mkdir(join(folder, 'spill'));
    const onLost = (error: MillraceError): void => over.abort(error);
    const figures = await untilAborted(signal, whole({ ...options, signal, folder, onLost }, stops));
    return { ...figures, seconds: Math.round((performance.now() - startedMs) / 1000) };
  } finally {
    options.onProgress('stopping');
    // Where one thing failed, the others are to end too.
    over.abort();
    const failures: unknown[] = [];
    for (const stop of stops.toReversed()) await stop().catch((error: unknown) => failures.push(error));
    await rm(folder, { recursive: true, force: true });
    for (const failure of failures) options.onNote(`while stopping: ${String(failure)}`);
  }
}

type WholeOptions = SoakOptions & {
  readonly signal: AbortSignal;
  readonly folder: string;
  readonly onLost: (error: MillraceError) => void;
};

async function whole(options: WholeOptions, stops: (() => Promise<void>)[]): Promise<SoakFigures> {
  const { seed, signal, onNote } = options;
  const random = seededRandom(seed);
  const world = await startWorld({ ...options, random }, stops);
  const { workspace, temporal, definitions, serving, producer, application } = world;
  onNote(
    `seed ${seed}; ${count(workspace.historyFlights)} flights as history and ${count(workspace.liveFlights)} to be sent`,
  );
  const views = [...definitions.views.keys()];
  const sources = [...definitions.sources.keys(), SERVED_SOURCE];
  await startArchives(temporal, sources);
  await startJoiner(temporal);
  await startViews(temporal, views, onNote, signal);

  const shapes = readShapes(workspace.routes, definitions.views);
  const audits = new Audits(temporal);
  const live = await livePhase(world, audits, shapes, { ...options, random });
  await archivesAreWell(temporal, sources);
  const atRest = await Promise.all(views.map((view) => audits.all(view)));
  const { logged, dropped } = serving.servingLog.figures;
  const accounted = sum(atRest.map(({ reads, skipped }) => reads + sum(Object.values(skipped))));
  onNote(`audited all ${views.length} views at rest: ${count(sum(atRest.map((one) => one.cellsCompared)))} cells`);

  const said = await application.said();
  const pairs = await checkPairs(world.reader, said, signal);
  const labels = await checkLabels(world, said, signal);
  for (const [what, keys] of Object.entries({ ...pairs, labels: labels.wrong }))
    if (Array.isArray(keys) && keys.length > 0) onNote(`WRONG ${what}: ${keys.slice(0, 10).join(', ')}`);
  onNote(`${count(pairs.pairs)} pairs are those of what was said, and ${count(labels.rows)} labels`);

  const { faults, strayCells } = await faultPhase(world, audits, shapes, {
    ...options,
    random: random.fork('faults'),
    said,
  });
  const sound = views.filter((view) => !faults.some((fault) => fault.view === view));
  const afterwards = await Promise.all(sound.map((view) => audits.all(view)));
  const all = [...live.meanwhile, ...atRest, ...afterwards];
  for (const { view, differences } of all) {
    for (const { entity, cause, detail } of differences)
      onNote(`DIFFERS ${view} ${JSON.stringify(entity)} ${cause}: ${detail}`);
  }
  return {
    cellsCompared: sum(atRest.map((one) => one.cellsCompared)),
    cellsDiffering: sum(all.map((one) => one.cellsDiffering)) + strayCells,
    faultsPlanted: faults.length,
    faultsNamed: faults.filter(({ isNamed }) => isNamed).length,
    restarts: sum(Object.values(live.restarts)),
    restartsByKind: live.restarts,
    seed,
    seconds: 0,
    flightsSent: producer.latest.flights,
    paymentsSent: producer.latest.payments,
    decisionsSaid: application.latest.decisions,
    outcomesSaid: application.latest.outcomes,
    saidDropped: application.latest.dropped,
    saidLost: pairs.lostSaid.length,
    pairs: pairs.pairs,
    pairsWrong: pairs.lost.length + pairs.changed.length + pairs.stray.length,
    pairsTwice: pairs.twice,
    labelRows: labels.rows,
    labelsWrong: labels.wrong.length,
    recordsDeletedFromTopics: live.recordsDeleted,
    readsMade: live.reads,
    readsLogged: logged,
    readsDropped: sum(Object.values(dropped)),
    readsUnaccounted: Math.max(0, logged - accounted),
    readsRefused: live.refused,
    audits: audits.runs,
    auditSeconds: Math.round(sum(atRest.map(({ seconds }) => seconds)) * 10) / 10,
    views: atRest.map(auditedView),
    faults,
  };
}

function auditedView(one: AuditedView): AuditedView {
  const { view, entities, reads, cellsCompared, cellsDiffering, skipped, causes, seconds } = one;
  return { view, entities, reads, cellsCompared, cellsDiffering, skipped, causes, seconds };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Ends at once, with the signal's reason, on abort; what is under way finds its services gone. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([work, aborted]);
}
