import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { DevSession } from '../cli/dev-session.ts';
import { count, type Output } from '../cli/output.ts';
import { CellError } from '../engine/values/cell.ts';
import type { CompiledService, CompiledView, ServiceBlock } from '../engine/define/compiled-view.ts';
import { roleOf, viewsOf } from '../engine/define/service-blocks.ts';
import { errorOf } from '../engine/values/feature-errors.ts';
import type { ScalarValue } from '../engine/values/field-type.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { systemClock } from '../engine/values/clock.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import { distinctKeys } from '../engine/online/distinct-keys.ts';
import { createOnlineStore, type OnlineStore } from '../engine/online/online-store.ts';
import type { ReadOptions, ViewRead } from '../engine/online/view-read.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { createServingLog } from '../engine/served/create-serving-log.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import { streamOffsets } from '../engine/postgres/stream-offsets.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import type { ServedCell, ServedRow } from './compare.ts';
import type { FlightsWorkspace } from './flights-workspace.ts';
import { Latencies } from './latencies.ts';
import { readDerived } from './read-derived.ts';
import type { Replay } from './replay.ts';
import type { Checkpoint, SampledFlight } from './samples.ts';

const POLL_MS = 10;
const CAUGHT_UP_WITHIN_MS = 60_000;
const READERS = 4;

export interface ReplayFigures {
  /** Records applied by the streams of all views. */
  readonly recordsStreamed: number;
  readonly lag: number;
  readonly reads: number;
  readonly readP50Ms: number;
  readonly readP99Ms: number;
}

export interface LiveReplayOptions {
  readonly session: DevSession;
  readonly workspace: FlightsWorkspace;
  readonly replay: Replay;
  readonly checkpoints: readonly Checkpoint[];
  readonly service: CompiledService;
  /** Every read is logged there, for the audit. */
  readonly servedTopic: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/**
 * Replays June checkpoint by checkpoint. At each, once every view's stream has applied all that was sent, the sampled flights about
 * to leave are looked up as a model would: at their own time. Meanwhile readers keep asking for entities as of now. All reads go to
 * the serving log.
 */
export async function liveReplay(options: LiveReplayOptions): Promise<{ figures: ReplayFigures; served: ServedRow[] }> {
  const { session, workspace, replay, checkpoints, service, servedTopic, output, signal } = options;
  const pool = createPool(session.databaseUrl, {
    max: 8,
    applicationName: 'millrace-demo',
    installation: session.installation,
  });
  const reader = createKafkaLogReader({ ...session.kafka, clientId: 'millrace-demo', clock: systemClock });
  const store = createOnlineStore({ pool, clock: systemClock });
  const servingLog = createServingLog({ kafka: session.kafka, topic: servedTopic, sample: 1 });
  const reads: LoggedReads = { store, servingLog, service, latencies: new Latencies() };
  const { latencies } = reads;
  const served: ServedRow[] = [];
  const readersDone = new AbortController();
  const flights = checkpoints.flatMap((checkpoint) => checkpoint.flights);
  const readers = Array.from({ length: READERS }, (_, n) => readOn(reads, flights, n, readersDone.signal));
  try {
    const start = replay.sent;
    for (const [n, { atUs, flights: sampled }] of checkpoints.entries()) {
      signal.throwIfAborted();
      await replay.until(atUs);
      await caughtUp(pool, reader, session.views, signal);
      for (const row of await Promise.all(sampled.map((flight) => readFlight(reads, session.apiUrl, flight))))
        served.push(row);
      output.progress(
        `replaying June: ${count(replay.sent)} of ${count(workspace.juneRows)} flights, checkpoint ${n + 1} of ${checkpoints.length}, ${count(latencies.count)} reads, p50 ${latencies.quantile(0.5).toFixed(2)} ms`,
      );
    }
    await replay.until(workspace.untilUs);
    const lag = await caughtUp(pool, reader, session.views, signal);
    readersDone.abort();
    await Promise.all(readers);
    output.note(
      `replayed ${count(replay.sent - start)} flights live; ${count(served.length)} sampled flights were read at their time`,
    );
    const figures = {
      recordsStreamed: (replay.sent - start) * session.views.length,
      lag,
      reads: latencies.count,
      readP50Ms: latencies.quantile(0.5),
      readP99Ms: latencies.quantile(0.99),
    };
    return { figures, served };
  } finally {
    readersDone.abort();
    await Promise.allSettled(readers);
    await Promise.all([pool.end(), reader.close(), servingLog.close()]);
  }
}

/** Where reads come from and where they are logged. */
interface LoggedReads {
  readonly store: OnlineStore;
  readonly servingLog: ServingLog;
  readonly service: CompiledService;
  readonly latencies: Latencies;
}

/** Reads what blocks of one view say of a flight, as the API does: in one look-up. */
async function readLogged(
  { store, servingLog, service, latencies }: LoggedReads,
  requestId: string,
  view: CompiledView,
  flight: SampledFlight,
  options: ReadOptions = {},
): Promise<{ readonly block: ServiceBlock; readonly read: ViewRead }[]> {
  const blocks = service.blocks.filter((block) => block.view === view);
  const asked = blocks.map(({ columns }) => [columns.map((column) => valueOf(flight, column))]);
  const { keys, places } = distinctKeys(asked);
  const startedMs = performance.now();
  const reads = await store.get(view.name, keys, options);
  const answers = blocks.map((block, at) => ({ block, read: reads[places[at]![0]!]! }));
  for (const [at, { block, read }] of answers.entries())
    servingLog.offer(requestId, service.name, [read], asked[at]!, undefined, roleOf(block) ?? undefined);
  latencies.add(performance.now() - startedMs);
  return answers;
}

/** One model's look-up: all views of the service in all their roles, and what is derived of them, at the flight's own time. */
async function readFlight(reads: LoggedReads, apiUrl: string, flight: SampledFlight): Promise<ServedRow> {
  const cells = new Map<string, ServedCell>(await readDerived(apiUrl, reads.service, flight));
  const requestId = randomUUID();
  for (const view of viewsOf(reads.service)) {
    for (const { block, read } of await readLogged(reads, requestId, view, flight, { atUs: flight.eventTimeUs })) {
      for (const [index, { name, result }] of read.features.entries()) {
        const code = errorOf(read.errors, name);
        const cell = code === undefined ? (read.values[index] ?? null) : CellError.of(code);
        cells.set(`${block.name}__${name}`, { type: result, cell });
      }
    }
  }
  return { flightId: flight.flightId, cells };
}

/** Reads entities as of now, one after the other, until told to stop. */
async function readOn(
  reads: LoggedReads,
  flights: readonly SampledFlight[],
  from: number,
  done: AbortSignal,
): Promise<void> {
  const views = viewsOf(reads.service);
  for (let n = from; !done.aborted; n += READERS) {
    const flight = flights[n % flights.length];
    if (flight === undefined) return;
    await readLogged(reads, randomUUID(), views[n % views.length]!, flight);
    // A steady trickle, not a load test: the machine's two cores are for the stream.
    await delay(4);
  }
}

/** What a flight says in a column of the service. */
function valueOf(flight: SampledFlight, column: string): ScalarValue {
  if (column === 'origin' || column === 'destination') return flight[column];
  throw new MillraceError('unknown-field', `the demo knows no column "${column}" of a flight`, {
    remedy: 'Add it to demo/samples.ts.',
  });
}

/** Waits until every view's stream stands at the present end of its topic; returns the lag then. */
async function caughtUp(
  pool: pg.Pool,
  reader: LogReader,
  views: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const deadlineMs = performance.now() + CAUGHT_UP_WITHIN_MS;
  for (const view of views) {
    const live = await liveVersion(pool, view);
    if (live?.topic == null) continue;
    const ends = (await reader.bounds(live.topic)).partitions;
    for (;;) {
      signal.throwIfAborted();
      const offsets = new Map(
        (await streamOffsets(pool, view, live.version)).map((at) => [at.partition, at.nextOffset]),
      );
      const lag = ends.reduce((sum, end) => sum + Math.max(0, end.endOffset - (offsets.get(end.partition) ?? 0)), 0);
      if (lag === 0) break;
      if (performance.now() > deadlineMs) {
        throw new MillraceError(
          'stream-did-not-catch-up',
          `view "${view}" is still ${lag} records behind after ${CAUGHT_UP_WITHIN_MS / 1000} s`,
          {
            remedy: 'See the workflow in the Temporal UI and the worker log.',
          },
        );
      }
      await delay(POLL_MS);
    }
  }
  return 0;
}
