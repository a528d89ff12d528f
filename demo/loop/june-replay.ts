import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import type { DecisionService, FlightDecision } from './decision-service.ts';
import { type June, Timeline } from './june.ts';
import { AHEAD_US, JUNE_US } from './loop-workspace.ts';

/** So much of June passes from one look at the requests to the next. */
const STEP_US = 30 * 60_000_000;
const POLL_MS = 5;
const CAUGHT_UP_WITHIN_MS = 180_000;
const MOST_RECORDS = 2_000;

export interface JuneReplayOptions {
  readonly june: June;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly pool: pg.Pool;
  readonly topic: string;
  /** MILLRACE_BROKER_CLOCK of whoever takes cuts: moved on once what has left is on the topic. */
  readonly clockFile: string;
  readonly views: readonly string[];
  readonly signal: AbortSignal;
  /** Told after each step. */
  readonly onStep: (nowUs: number) => void;
  /** Told of what was decided, with the time it was decided at. */
  readonly onDecided: (decided: readonly FlightDecision[], nowUs: number) => void;
}

/** June, step by step: what has left goes onto the topic with the time that it is then, and who asks is answered once every stream has read it. */
export class JuneReplay {
  readonly #options: JuneReplayOptions;
  readonly #departures: Timeline<{ readonly key: string; readonly value: string }>;
  readonly #requests: Timeline<June['requests'][number]['value']>;
  #nowUs = JUNE_US - AHEAD_US;

  constructor(options: JuneReplayOptions) {
    this.#options = options;
    this.#departures = new Timeline(options.june.departures);
    this.#requests = new Timeline(options.june.requests);
  }

  /** The time it is, µs. */
  get nowUs(): number {
    return this.#nowUs;
  }

  /** Departures on the topic so far. */
  get sent(): number {
    return this.#departures.taken;
  }

  /** Flights decided on so far. */
  get decided(): number {
    return this.#requests.taken;
  }

  /**
   * Lets one step pass; the service answers as of its end.
   *
   * @throws MillraceError `stream-did-not-catch-up`
   */
  async step(service: DecisionService): Promise<void> {
    const { signal, onStep, onDecided } = this.#options;
    signal.throwIfAborted();
    const untilUs = this.#nowUs + STEP_US;
    await this.#send(untilUs);
    await writeClock(this.#options.clockFile, untilUs);
    await this.#caughtUp();
    const flights = this.#requests.before(untilUs).map(({ value }) => value);
    this.#nowUs = untilUs;
    if (flights.length > 0) onDecided(await service.decide(untilUs, flights), untilUs);
    onStep(untilUs);
  }

  /** Lets time pass until `untilUs`, or until `done` says so; returns whether it did. */
  async until(
    untilUs: number,
    service: DecisionService,
    done: () => boolean | Promise<boolean> = () => false,
  ): Promise<boolean> {
    while (this.#nowUs < untilUs) {
      if (await done()) return true;
      await this.step(service);
    }
    return await done();
  }

  /** A record's time is when its flight left. */
  async #send(untilUs: number): Promise<void> {
    const { writer, topic } = this.#options;
    const records = this.#departures.before(untilUs).map(({ atUs, value: { key, value } }) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      timestampMs: Math.floor(atUs / 1000),
    }));
    for (let at = 0; at < records.length; at += MOST_RECORDS)
      await writer.send(topic, records.slice(at, at + MOST_RECORDS));
  }

  /** Waits until every view's stream stands at the end of the topic. */
  async #caughtUp(): Promise<void> {
    const { pool, reader, topic, views, signal } = this.#options;
    const { partitions } = await reader.bounds(topic);
    const deadlineMs = performance.now() + CAUGHT_UP_WITHIN_MS;
    for (const view of views) {
      const live = await liveVersion(pool, view);
      if (live === null) continue;
      for (;;) {
        signal.throwIfAborted();
        const offsets = new Map(
          (await streamOffsets(pool, view, live.version)).map((at) => [at.partition, at.nextOffset]),
        );
        const lag = partitions.reduce(
          (sum, end) => sum + Math.max(0, end.endOffset - (offsets.get(end.partition) ?? 0)),
          0,
        );
        if (lag === 0) break;
        if (performance.now() > deadlineMs) {
          throw new MillraceError(
            'stream-did-not-catch-up',
            `view "${view}" is still ${lag} records behind after ${CAUGHT_UP_WITHIN_MS / 1000} s`,
            { remedy: 'See the workflow in the Temporal UI and the worker log.' },
          );
        }
        await delay(POLL_MS);
      }
    }
  }
}

/** Tells the brokers' time: in one step, for whoever reads it reads it whole. */
export async function writeClock(file: string, nowUs: number): Promise<void> {
  await writeFile(`${file}.next`, String(nowUs));
  await rename(`${file}.next`, file);
}
