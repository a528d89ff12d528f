import { setTimeout as delay } from 'node:timers/promises';
import { count } from '../cli/output.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { AuditSummary } from '../workflows/audit-parity/contract.ts';
import type { Audits } from './audits.ts';
import { caughtUp } from './lifecycles.ts';
import { planRestarts, type RestartCounts, runRestarts } from './restarts.ts';
import type { Random } from './random.ts';
import { Readers } from './readers.ts';
import { pairsSettled } from './loop/pairs-settled.ts';
import type { ReadShape } from './read-shapes.ts';
import type { SoakOptions } from './run-soak.ts';
import type { World } from './soak-world.ts';
import { deleteArchived, FLIGHTS_TOPIC, PAYMENTS_TOPIC } from './topics.ts';

const SAY_EVERY_MS = 1_000;
const TRY_EVERY_MS = 500;
const MOST_TRIES = 240;
/** Topics are trimmed while this share of the live time is over: streams that are behind then read on in the archive. */
const TRIM_AT_SHARE = 0.55;

export interface LiveFigures {
  readonly restarts: RestartCounts;
  readonly reads: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly recordsDeleted: number;
  /** What audits found while everything went on. */
  readonly meanwhile: readonly AuditSummary[];
}

/**
 * Records arrive, reads are made, services and workers go and come back. When it ends everything is at rest: nothing arrives any more,
 * every stream is at the end of its topic, every read is in the log.
 */
export async function livePhase(
  world: World,
  audits: Audits,
  shapes: readonly ReadShape[],
  options: SoakOptions & { readonly signal: AbortSignal; readonly random: Random },
): Promise<LiveFigures> {
  const { plan, signal, random, onNote, onProgress } = options;
  const views = [...world.definitions.views.keys()];
  const restarts: RestartCounts = { worker: 0, broker: 0, database: 0 };
  const meanwhile: AuditSummary[] = [];
  let recordsDeleted = 0;
  const readers = new Readers({
    client: world.serving.client,
    apiUrl: world.serving.apiUrl,
    shapes,
    random: random.fork('readers'),
    cells: plan.cells,
    liveSeconds: plan.liveSeconds,
    signal,
  });
  const startedMs = performance.now();
  const sayHow = (): void => {
    const { flights, payments } = world.producer.latest;
    const { decisions, outcomes } = world.application.latest;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const refused = Object.values(readers.refused).reduce((sum, n) => sum + n, 0);
    onProgress(
      `${seconds} of ${plan.liveSeconds} s: ${count(flights + payments + decisions + outcomes)} records sent, ${count(readers.reads)} reads, ${count(readers.cells)} cells, ${count(refused)} requests refused, ${restarts.worker + restarts.broker + restarts.database} restarts, ${audits.runs} audits`,
    );
  };
  const saying = setInterval(sayHow, SAY_EVERY_MS);
  const at = async (share: number, work: () => Promise<void>): Promise<void> => {
    await delay(Math.max(0, startedMs + share * plan.liveSeconds * 1000 - performance.now()), undefined, { signal });
    await work();
  };
  try {
    const planned = planRestarts(plan, random.fork('restarts'));
    const auditTimes = Array.from({ length: plan.auditsMeanwhile }, (_, n) => (n + 1) / (plan.auditsMeanwhile + 1));
    const whole = Promise.all([
      at(1, async () => undefined),
      runRestarts({ planned, services: world.services, worker: world.worker, onProgress: onNote, signal }, restarts),
      at(TRIM_AT_SHARE, async () => {
        for (const topic of [FLIGHTS_TOPIC, PAYMENTS_TOPIC]) recordsDeleted += await trimTopic(world, topic, signal);
        onNote(`${count(recordsDeleted)} records that are archived were deleted from the topics`);
      }),
      ...auditTimes.map((share) =>
        at(share, async () => {
          meanwhile.push(...(await Promise.all(views.map((view) => audits.some(view)))));
          onNote(`audited ${views.length} views while everything went on`);
        }),
      ),
    ]);
    await Promise.race([whole, readers.failure]);
    await readers.finish();
    onNote(`${count(readers.reads)} reads made; waiting for streams and log`);
    await world.producer.stop();
    await world.application.stop();
    await pairsSettled(world, onProgress, signal);
    await caughtUp(world, views, onProgress, signal);
    await world.serving.logged(signal);
    return { restarts, reads: readers.reads, refused: readers.refused, recordsDeleted, meanwhile };
  } finally {
    clearInterval(saying);
  }
}

/** Deletes what is archived of a topic; as soon as there is something, and its services are there to do it. */
async function trimTopic(world: World, topic: string, signal: AbortSignal): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const deleted = await deleteArchived(world.pool, world.services.brokers, topic);
    if (deleted > 0) return deleted;
    await delay(TRY_EVERY_MS, undefined, { signal });
  }
  throw new MillraceError('nothing-archived', `nothing of topic ${topic} was archived in ${MOST_TRIES / 2} s`, {
    remedy: 'See the workflow of its archive.',
  });
}
