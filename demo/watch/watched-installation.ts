import { join } from 'node:path';
import type pg from 'pg';
import type { KafkaSettings } from '../../config/environment.ts';
import { evaluateMonitors } from '../../engine/alerts/evaluate-monitors.ts';
import { alertText } from '../../engine/alerts/alert-event.ts';
import { readAlerts } from '../../engine/alerts/alert-store.ts';
import { pathsOfDefinitions } from '../../engine/alerts/paths-of-definitions.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { internalBug, isMillraceError } from '../../engine/errors/millrace-error.ts';
import { DEFAULT_INSTALLATION, installationNames } from '../../engine/installation/installation-names.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { STATE } from '../../engine/postgres/schemas.ts';
import { identSql, sqlText } from '../../engine/postgres/sql.ts';
import { stateTableName } from '../../engine/postgres/state-table.ts';
import type { Fence } from '../../engine/slice/fence.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { monitorStore } from '../../engine/value-monitors/store-monitor.ts';
import { type Clock, systemClock } from '../../engine/values/clock.ts';
import { recordOf, type SentDeparture } from './departures.ts';
import { WEEK_MS } from './watch-faults.ts';
import type { SeenAlert } from './watch-verdict.ts';

export const SOURCE = 'departures';
export const VIEW = 'airport_departures';
const MOST_RECORDS = 5_000;
let generation = 0;

/** Where a run's services and folders are. */
export interface WatchPlaces {
  readonly databaseUrl: string;
  readonly kafka: KafkaSettings;
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** One installation whose time is the demo's: the engine's own drivers over a database and a topic, one step after the other. */
export class WatchedInstallation {
  readonly pool: pg.Pool;
  readonly #places: WatchPlaces;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #definitions: Definitions;
  #nowMs: number;

  /** The streamed version; null: the view is not built. */
  #version: number | null = null;

  private constructor(places: WatchPlaces, definitions: Definitions, nowMs: number) {
    this.#nowMs = nowMs;
    const { databaseUrl, kafka } = places;
    this.#places = places;
    this.#definitions = definitions;
    this.pool = createPool(databaseUrl, {
      max: 4,
      applicationName: 'millrace-watch',
      installation: installationNames(DEFAULT_INSTALLATION),
    });
    this.#writer = createKafkaLogWriter({ ...kafka, clientId: 'millrace-watch' });
    this.#reader = createKafkaLogReader({ ...kafka, clientId: 'millrace-watch', clock: this.clock });
  }

  /** @param nowMs what time it is then, UTC epoch ms */
  static async open(places: WatchPlaces, featuresDir: string, nowMs: number): Promise<WatchedInstallation> {
    return new WatchedInstallation(places, await loadDefinitions(featuresDir), nowMs);
  }

  /** The brokers' time is the demo's. */
  get clock(): Clock {
    return { ...systemClock, nowUs: () => this.#nowMs * 1000 };
  }

  get #view(): CompiledView {
    return this.#definitions.views.get(VIEW) ?? missing(VIEW);
  }

  /** Puts records on the topic, archives them with what they tell, and streams them into the view where it is built: then it is `nowMs`. */
  async step(nowMs: number, sent: readonly SentDeparture[]): Promise<void> {
    const { signal } = this.#places;
    signal.throwIfAborted();
    const source = this.#definitions.sources.get(SOURCE) ?? missing(SOURCE);
    for (let at = 0; at < sent.length; at += MOST_RECORDS)
      await this.#writer.send(source.topic ?? missing('topic'), sent.slice(at, at + MOST_RECORDS).map(recordOf));
    this.#nowMs = nowMs;
    if (sent.length === 0) return;
    const { ended } = await runArchive({
      source,
      reader: this.#reader,
      pool: this.pool,
      archiveDir: join(this.#places.folder, 'archive'),
      fence: this.#nextFence(),
      until: 'present-end',
      clock: systemClock,
      signal,
    });
    if (ended !== 'present-end') throw internalBug(`the archive ended ${ended}`);
    if (this.#version === null) return;
    try {
      await runStream({
        view: this.#view,
        version: this.#version,
        reader: this.#reader,
        pool: this.pool,
        fence: this.#nextFence(),
        until: 'present-end',
        clock: systemClock,
        signal,
      });
    } catch (error) {
      // A stream writes over no state that is not what was written: it stands there until somebody has looked.
      if (!isMillraceError(error) || error.code !== 'state-corrupt') throw error;
      this.#version = null;
    }
  }

  /** Changes the bytes of an entity's row, past the engine. */
  async changeRow(origin: string): Promise<void> {
    const { rowCount } = await runSql(
      this.pool,
      sqlText`
      UPDATE ${STATE}.${identSql(stateTableName(VIEW, this.#version ?? missing('version')))}
      SET state = set_byte(state, length(state) - 1, 255 - get_byte(state, length(state) - 1)) WHERE origin = ${origin}`,
    );
    if (rowCount !== 1) missing(`row of ${origin}`);
  }

  /** Looks at what is stored, as a stream does once its watermark has passed an hour. */
  async look(): Promise<void> {
    if (this.#version !== null) await monitorStore({ pool: this.pool, view: this.#view });
  }

  /** Evaluates what has closed by now. What is before the week is learnt from. */
  async evaluate(): Promise<void> {
    await evaluateMonitors({
      pool: this.pool,
      clock: this.clock,
      paths: pathsOfDefinitions(this.#definitions),
      watchFromMs: WEEK_MS,
      most: Number.POSITIVE_INFINITY,
      signal: this.#places.signal,
    });
  }

  /** The alerts there are, closed ones too, in the order they opened. */
  async alerts(): Promise<SeenAlert[]> {
    const alerts = await readAlerts(this.pool);
    return alerts
      .map((alert) => ({ ...alert, text: alertText(alert) }))
      .toSorted((a, b) => a.openedAtMs - b.openedAtMs || (a.id < b.id ? -1 : 1));
  }

  /** Builds the view of history and topic as it is defined now, and gives it to readers. */
  async build(): Promise<void> {
    const { version } = await runBackfill({
      view: this.#view,
      pool: this.pool,
      reader: this.#reader,
      spillDir: join(this.#places.folder, 'spill'),
      clock: this.clock,
      signal: this.#places.signal,
      builder: 'demo watch',
    });
    await publishVersion({ pool: this.pool, view: VIEW, version });
    this.#version = version;
  }

  async close(): Promise<void> {
    await Promise.all([this.#writer.close(), this.#reader.close(), this.pool.end()]);
  }

  #nextFence(): Fence {
    // A clone of a database knows the generations of what it was made of.
    generation += 1;
    return { generation, attemptMs: Date.now(), owner: 'demo watch' };
  }
}

function missing(what: string): never {
  throw internalBug(`the demo's definitions have no ${what}`);
}
