import { join } from 'node:path';
import { type DevSession } from '../../cli/dev-session.ts';
import { count, type Output } from '../../cli/output.ts';
import { withTemporal } from '../../cli/with-temporal.ts';
import type { Environment } from '../../config/environment.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { promoteViews, startViews } from '../lifecycles.ts';
import { DecisionService } from './decision-service.ts';
import { type ExampleProject, installExample } from './example-project.ts';
import { readJune } from './june.ts';
import { JuneReplay } from './june-replay.ts';
import type { LoopFigures } from './loop-figures.ts';
import { publishLoopModel, SERVICE, type TrainedModel, trainLoopModel } from './loop-models.ts';
import { loopReport } from './loop-report.ts';
import { guardedRollout, promotingRollout } from './loop-rollouts.ts';
import { DAY_US, JULY_US, JUNE_US, type LoopWorkspace } from './loop-workspace.ts';
import type { ProgressLine } from './progress-line.ts';
import { FollowedRollout, type RolloutCourse } from './rollout-course.ts';
import { TouchedUnits } from './touched-units.ts';
import { exportDecided, exportSpine } from './training-sets.ts';

export interface LoopContext {
  readonly session: DevSession;
  readonly env: Environment;
  /** The brokers' time. */
  readonly clockFile: string;
  readonly workspace: LoopWorkspace;
  readonly folder: string;
  readonly spillDir: string;
  readonly html: string;
  readonly output: Output;
  readonly progress: ProgressLine;
  readonly signal: AbortSignal;
}

/** The decisions of June up to here teach the second model, a day after their labels are final. */
const LEARNT_UNTIL_US = JUNE_US + 10 * DAY_US;
const SECOND_FROM_US = JUNE_US + 11 * DAY_US + DAY_US / 4;

/** The loop from January to the end of June: what it came to. */
export async function closeLoop(context: LoopContext): Promise<Omit<LoopFigures, 'seconds'>> {
  const { session, workspace, folder, spillDir, output, progress, signal } = context;
  progress.now('packing Millrace and installing the example; building the views');
  const [project, sets] = await Promise.all([
    installExample(join(folder, 'flight-delay'), folder, signal),
    historyToTrainOn(context),
  ]);
  const first = await trainLoopModel(
    project,
    { name: 'a', folder, sets: [sets.januaryToApril], more: ['--test', sets.may] },
    output,
  );
  output.note(
    `model A, logistic regression, of ${count(workspace.trainingRows)} flights of January to April: log loss on May ${first.metrics.logLoss.toFixed(4)}, of the base rate ${first.metrics.logLossBase.toFixed(4)}`,
  );
  const versionA = await publishLoopModel(context.env, first, {
    trainedOn: manifestOf(sets.januaryToApril),
    alias: 'champion',
  });
  progress.now('promoting the views to streams');
  await promoteViews(session, output);

  const june = await readJune(workspace, spillDir);
  const writer = createKafkaLogWriter({ ...session.kafka, clientId: 'millrace-loop' });
  const reader = createKafkaLogReader({ ...session.kafka, clientId: 'millrace-loop', clock: systemClock });
  const pool = createPool(session.databaseUrl, {
    max: 4,
    applicationName: 'millrace-loop',
    installation: session.installation,
  });
  const touched = new TouchedUnits();
  let rollout: FollowedRollout | null = null;
  const replay: JuneReplay = new JuneReplay({
    june,
    writer,
    reader,
    pool,
    topic: 'departures',
    clockFile: context.clockFile,
    views: session.views,
    signal,
    onDecided: (decided) => touched.add(decided),
    onStep: (nowUs) =>
      progress.now(
        `${new Date(nowUs / 1000).toISOString().slice(0, 16).replace('T', ' ')} · ${count(replay.sent)} departures, ${count(replay.decided)} decided on${rollout === null ? '' : ` · ${rollout.line}`}`,
      ),
  });
  const service = await DecisionService.start({
    folder: project.folder,
    databaseUrl: session.databaseUrl,
    brokers: session.kafka.brokers,
    signal,
  });
  try {
    // The broken one can be trained meanwhile.
    const broken = trainLoopModel(
      project,
      { name: 'c', folder, sets: [sets.januaryToApril], more: ['--shuffled'] },
      output,
    );
    broken.catch(() => undefined);
    await replay.until(SECOND_FROM_US, service);
    const { second, versionB } = await secondModel(context, project, sets);
    return await withTemporal(session.temporal, session.installation, async (client) => {
      const place = { names: session.installation, taskQueue: session.taskQueue };
      const follow = async (
        input: Parameters<typeof FollowedRollout.start>[2],
        everyUs: number,
      ): Promise<RolloutCourse> => {
        const followed = await FollowedRollout.start(client, place, input, replay.nowUs);
        rollout = followed;
        await replay.until(JULY_US, service, () => followed.isOver(replay.nowUs, everyUs, signal));
        rollout = null;
        const { course } = followed;
        output.note(`rollout of version ${course.candidate}: ${course.end}: ${course.why}`);
        return course;
      };
      const promoted = await follow(promotingRollout(versionB), DAY_US);
      const third = await broken;
      const versionC = await publishLoopModel(context.env, third, {
        trainedOn: manifestOf(sets.januaryToApril),
        alias: 'challenger',
      });
      const returned = promoted.endedUs === null ? null : await follow(guardedRollout(versionC), DAY_US / 4);
      await replay.until(JULY_US, service);
      await service.stop();
      return await loopReport(context, project, {
        versions: { a: versionA, b: versionB, c: versionC },
        models: { a: first, b: second, c: third },
        promoted,
        returned,
        touched,
        outcomes: replay.sent,
      });
    });
  } finally {
    await service.stop();
    await Promise.all([writer.close(), reader.close(), pool.end()]);
  }
}

interface HistorySets {
  readonly januaryToApril: string;
  readonly may: string;
  readonly januaryToMay: string;
}

/** Builds the views of January to May, and the training sets of their flights: what was known two hours before each. */
async function historyToTrainOn({ session, workspace, folder, output }: LoopContext): Promise<HistorySets> {
  await startViews(session, output);
  const { spines } = workspace;
  const path = (name: string): string => join(folder, `${name}.training.parquet`);
  const sets = { januaryToApril: path('january-to-april'), may: path('may'), januaryToMay: path('january-to-may') };
  for (const name of ['januaryToApril', 'may', 'januaryToMay'] as const)
    await exportSpine(session, { service: SERVICE, spine: spines[name], out: sets[name] }, output);
  return sets;
}

/** Learns from what was served and decided in June's first ten days, beside January to May. */
async function secondModel(
  context: LoopContext,
  project: ExampleProject,
  sets: HistorySets,
): Promise<{ readonly second: TrainedModel; readonly versionB: number }> {
  const { session, env, folder, output } = context;
  const decided = join(folder, 'decided.parquet');
  const { rows } = await exportDecided(
    session,
    { service: SERVICE, fromUs: JUNE_US, untilUs: LEARNT_UNTIL_US, out: decided },
    output,
  );
  const second = await trainLoopModel(
    project,
    { name: 'b', folder, sets: [sets.januaryToMay, `${decided}:label`], more: ['--hidden', '16', '--epochs', '5'] },
    output,
  );
  output.note(
    `model B, a network of 16 units, of January to May and ${count(rows)} flights of June as they were decided on, with what was served`,
  );
  const versionB = await publishLoopModel(env, second, { trainedOn: manifestOf(decided), alias: 'challenger' });
  return { second, versionB };
}

function manifestOf(set: string): string {
  return `${set}.manifest.json`;
}
