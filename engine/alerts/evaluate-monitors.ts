import type pg from 'pg';
import type { InstallationNames } from '../installation/installation-names.ts';
import { keptBuckets, versionFlips } from '../monitors/kept-buckets.ts';
import type { MonitorBucket } from '../monitors/monitor-bucket.ts';
import { readBuckets } from '../monitors/read-buckets.ts';
import { installationOf } from '../postgres/settled-queries.ts';
import { withClient, withTransaction } from '../postgres/transaction.ts';
import { medianOf } from '../statistics/robust-spread.ts';
import type { Clock } from '../values/clock.ts';
import { amendedAlerts } from './amended-alerts.ts';
import { belongs, stepAlerts } from './alert-course.ts';
import type { AlertEvent } from './alert-event.ts';
import { alertsInPlay, readAlerts, writeAlerts } from './alert-store.ts';
import { type BucketResult, evaluateBucket, type SeriesInput } from './evaluate-bucket.ts';
import { NO_MEMORY } from './judge-series.ts';
import { mergeBuckets } from './merge-buckets.ts';
import { type MonitorPaths, NO_PATHS } from './monitor-paths.ts';
import { judgeRules, type MonitorRule } from './monitor-rule.ts';
import {
  ALLOWED_LATENESS_MS,
  closesAtMs,
  DAY_MS,
  HOUR_MS,
  LENGTH_MS,
  type MonitorClock,
  monitorTimeMs,
} from './monitor-time.ts';
import {
  beginProgress,
  type KeptSeries,
  type MonitorProgress,
  moveProgress,
  oldestBucketMs,
  readProgress,
  readSeries,
  type WatchedGrain,
  writeSeries,
} from './series-store.ts';
import { readSilences } from './silence.ts';
import { subjectKey, subjectOfKey } from './subject-text.ts';
import { THRESHOLDS } from './thresholds.ts';
import { traceCauses } from './trace-causes.ts';
import { noteForWebhooks } from './webhook-store.ts';

/** Points at which a test may make an evaluation fail: what is thrown there is treated as the process dying there. */
export type EvaluateFailPoint = 'after-read' | 'after-progress' | 'before-commit' | 'after-commit';

export interface EvaluateOptions {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** By what monitors tell the time. Default `wall`. */
  readonly time?: MonitorClock | undefined;
  /** How values come from stage to stage. Default: nothing is known of it. */
  readonly paths?: MonitorPaths | undefined;
  /** Monitors as code. */
  readonly rules?: readonly MonitorRule[] | undefined;
  /** Names of webhooks that are to be told what changes (`sendWebhooks`). */
  readonly webhooks?: readonly string[] | undefined;
  /** Default 5 min. */
  readonly allowedLatenessMs?: number | undefined;
  /** Of the first evaluation ever: buckets that begin before are learnt from, and raise nothing. Default: what is closed already. UTC epoch ms. */
  readonly watchFromMs?: number | undefined;
  /** Buckets to evaluate in this call at most; `behind` tells of more. Default 200. */
  readonly most?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests. */
  readonly failAt?: ((point: EvaluateFailPoint) => void) | undefined;
}

export interface Evaluated {
  /** Monitor time; null: no source has told any. */
  readonly nowMs: number | null;
  readonly buckets: number;
  /** Of all buckets, in order; they wait in the outbox. */
  readonly events: readonly AlertEvent[];
  /** More buckets are due. */
  readonly behind: boolean;
  /** Somebody else evaluates: what this call had begun is theirs. */
  readonly superseded: boolean;
}

/** Hours and days from so long ago on are learnt from. */
const REACH_MS = (THRESHOLDS.weeks + 1) * 7 * DAY_MS;
/** So long before a day alerts of hours may have closed that have told what the day would. */
const HOURS_TOLD_MS = 7 * DAY_MS;
/** Days whose same hour a distribution is held to. */
const REFERENCE_DAYS = 7;
const REFERENCE_WEEKS = 4;

/**
 * Evaluates every bucket that is due by monitor time and was not evaluated: one transaction each, in which the progress moves by compare-and-set, what is
 * usual of each series is kept, alerts change, and their events go to the outbox (`OutboxSender` brings them to the installation's topic of alerts). Called
 * by whoever and as often as you like: of several callers one does the work, and one that dies leaves all or nothing of a bucket.
 *
 * @example
 * const { events } = await evaluateMonitors({ pool, clock: systemClock, time: 'watermark', paths, watchFromMs: Date.parse('2013-06-01T00:00Z') });
 */
export async function evaluateMonitors(options: EvaluateOptions): Promise<Evaluated> {
  const { pool, clock, time = 'wall', most = 200, signal } = options;
  const latenessMs = options.allowedLatenessMs ?? ALLOWED_LATENESS_MS;
  const nowMs = await withClient(pool, (client) => monitorTimeMs(client, time, clock));
  if (nowMs === null) return { nowMs, buckets: 0, events: [], behind: false, superseded: false };
  const session = new Session(options, nowMs);
  const events: AlertEvent[] = [];
  let buckets = 0;
  for (;;) {
    const due = await session.nextDue(latenessMs);
    if (due === null) return { nowMs, buckets, events, behind: false, superseded: false };
    if (buckets >= most || signal?.aborted === true) return { nowMs, buckets, events, behind: true, superseded: false };
    const told = await session.evaluate(due.grain, due.beginMs);
    if (told === null) return { nowMs, buckets, events, behind: true, superseded: true };
    buckets++;
    events.push(...told);
  }
}

class Session {
  readonly #options: EvaluateOptions;
  readonly #nowMs: number;
  readonly #names: InstallationNames;
  /** Hours that were read: each is the reference of seven others. */
  readonly #hours = new Map<number, ReadonlyMap<string, MonitorBucket>>();

  constructor(options: EvaluateOptions, nowMs: number) {
    this.#options = options;
    this.#nowMs = nowMs;
    this.#names = installationOf(options.pool);
  }

  /** The bucket that closed first and is not evaluated; a day after its hours. */
  async nextDue(latenessMs: number): Promise<{ readonly grain: WatchedGrain; readonly beginMs: number } | null> {
    const hour = await this.#progress('hour');
    const day = await this.#progress('day');
    if (
      day !== null &&
      hour !== null &&
      day.nextMs + DAY_MS <= hour.nextMs &&
      this.#isDue('day', day.nextMs, latenessMs)
    )
      return { grain: 'day', beginMs: day.nextMs };
    if (hour !== null && this.#isDue('hour', hour.nextMs, latenessMs)) return { grain: 'hour', beginMs: hour.nextMs };
    return null;
  }

  #isDue(grain: WatchedGrain, beginMs: number, latenessMs: number): boolean {
    return closesAtMs(grain, beginMs, latenessMs) <= this.#nowMs;
  }

  async #progress(grain: WatchedGrain): Promise<MonitorProgress | null> {
    const { pool } = this.#options;
    const lengthMs = LENGTH_MS[grain];
    const reachMs = this.#nowMs - REACH_MS;
    return await withClient(pool, async (client) => {
      const known = await readProgress(client, grain);
      // A clock that jumped, an installation that slept: what is older than weeks can tell is passed over.
      if (known !== null && known.nextMs >= reachMs) return known;
      const oldest = await oldestBucketMs(client, reachMs);
      if (known === null && oldest === null) return null;
      const nextMs = Math.floor((oldest ?? this.#nowMs) / lengthMs) * lengthMs;
      if (known !== null) {
        await moveProgress(client, grain, known.nextMs, nextMs);
        return await readProgress(client, grain);
      }
      const watchFromMs = this.#options.watchFromMs ?? Math.floor(this.#nowMs / lengthMs) * lengthMs;
      await beginProgress(client, grain, { nextMs, watchFromMs });
      return await readProgress(client, grain);
    });
  }

  /** Null where somebody else has evaluated it. */
  async evaluate(grain: WatchedGrain, beginMs: number): Promise<readonly AlertEvent[] | null> {
    const { pool, clock, paths = NO_PATHS, rules = [], failAt } = this.#options;
    const wallMs = Math.floor(clock.nowUs() / 1000);
    const untilMs = beginMs + LENGTH_MS[grain];
    const atMs = Math.min(this.#nowMs, untilMs + (this.#options.allowedLatenessMs ?? ALLOWED_LATENESS_MS));
    const read = await withClient(pool, async (client) => ({
      progress: await readProgress(client, grain),
      kept: await readSeries(client, grain, beginMs),
      alerts: await alertsInPlay(client, grain, atMs),
      ofHours:
        grain === 'day'
          ? await readAlerts(client, { grain: 'hour', closedSinceMs: beginMs - HOURS_TOLD_MS, limit: 10_000 })
          : [],
      silences: await readSilences(client, wallMs),
    }));
    if (read.progress?.nextMs !== beginMs) return null;
    const isWatched = beginMs >= read.progress.watchFromMs;
    const inputs = await this.#inputs(grain, beginMs, read.kept, isWatched, paths);
    failAt?.('after-read');
    const result = evaluateBucket(grain, beginMs, inputs);
    const open = read.alerts.filter(({ state }) => state === 'open').map(({ root }) => root);
    const ruled = isWatched && grain === 'hour' ? judgeRules(rules, result) : [];
    // What its hours have told already is no news of the day.
    const causes = [...traceCauses(result, await this.#withFlips(result), open), ...ruled].filter(
      (cause) => !read.ofHours.some((alert) => alert.lastMs >= cause.sinceMs && belongs(cause, alert)),
    );
    const amended = await withClient(pool, (client) =>
      amendedAlerts(client, { grain, beginMs, alerts: read.alerts, rules }),
    );
    const course = { installation: this.#names.name, grain, atMs, result, causes, amended };
    const steps = stepAlerts({ ...course, alerts: read.alerts });
    const events = await withTransaction(pool, async (client) => {
      if (!(await moveProgress(client, grain, beginMs, untilMs))) return null;
      failAt?.('after-progress');
      await writeSeries(client, grain, beginMs, result.series, read.kept);
      const told = await writeAlerts(client, steps, {
        topic: this.#names.alertsTopic,
        installation: this.#names.name,
        bucketMs: beginMs,
        atMs,
        wallMs,
        silences: read.silences,
      });
      await noteForWebhooks(client, this.#options.webhooks ?? [], told, wallMs);
      failAt?.('before-commit');
      return told;
    });
    failAt?.('after-commit');
    return events;
  }

  /** Versions that readers got lately: only what deviates in a store may come of them. */
  async #withFlips({ beginMs, deviations }: BucketResult): Promise<MonitorPaths> {
    const { pool, paths = NO_PATHS, time = 'wall' } = this.#options;
    const since = deviations.flatMap(({ subject, sinceMs }) => (subject.place === 'store' ? [sinceMs] : []));
    if (since.length === 0) return paths;
    const range = { fromMs: Math.min(...since) - HOUR_MS, untilMs: beginMs + DAY_MS };
    const flips = await withClient(pool, (client) => versionFlips(client, time, range));
    return { ...paths, flips: new Map([...flips, ...paths.flips]) };
  }

  async #inputs(
    grain: WatchedGrain,
    beginMs: number,
    kept: ReadonlyMap<string, KeptSeries>,
    isWatched: boolean,
    { slow }: MonitorPaths,
  ): Promise<SeriesInput[]> {
    const now = grain === 'hour' ? await this.#hour(beginMs) : await this.#day(beginMs);
    const references = grain === 'hour' ? await this.#sameHours(beginMs) : await this.#daysBefore(beginMs);
    return [...new Set([...now.keys(), ...kept.keys()])].flatMap((key) => {
      const subject = subjectOfKey(key);
      const bucket = now.get(key) ?? null;
      // What is gathered of all small ones is made of others each day; of values that nobody had nothing is to be told.
      const saysNothing = bucket === null && (subject.field !== null || subject.place === 'view');
      if (subject.segment?.value === 'other' || saysNothing) return [];
      const { past = [], memory = NO_MEMORY } = kept.get(key) ?? {};
      const isSlow =
        subject.place !== 'source' &&
        subject.field !== null &&
        slow.has(featureOf(subject.object, subject.field, slow));
      const isSmall =
        Math.max(bucket?.count ?? 0, past.length === 0 ? 0 : medianOf(past.map(({ count }) => count))) < SMALL_DAY;
      const isTested = isWatched && (grain === 'hour' ? !isSlow : isSlow || isSmall);
      const reference = references.flatMap((each) => each.get(key) ?? []);
      return [{ subject, bucket, reference, past, memory, isTested }];
    });
  }

  async #hour(beginMs: number): Promise<ReadonlyMap<string, MonitorBucket>> {
    const known = this.#hours.get(beginMs);
    if (known !== undefined) return known;
    const buckets = await this.#read({ grain: 'hour', fromMs: beginMs, untilMs: beginMs + HOUR_MS });
    const hour = new Map(buckets.map((bucket) => [subjectKey(bucket), bucket]));
    this.#hours.set(beginMs, hour);
    return hour;
  }

  async #sameHours(beginMs: number): Promise<ReadonlyMap<string, MonitorBucket>[]> {
    for (const known of this.#hours.keys()) if (known < beginMs - REFERENCE_DAYS * DAY_MS) this.#hours.delete(known);
    const hours: ReadonlyMap<string, MonitorBucket>[] = [];
    for (let day = 1; day <= REFERENCE_DAYS; day++) hours.push(await this.#hour(beginMs - day * DAY_MS));
    return hours;
  }

  /** Of its hours, or of itself where it was merged already. */
  async #day(beginMs: number): Promise<ReadonlyMap<string, MonitorBucket>> {
    const buckets = await this.#read({ fromMs: beginMs, untilMs: beginMs + DAY_MS });
    return mergeBuckets(
      buckets.filter(({ grain }) => grain !== 'week'),
      'day',
      beginMs,
    );
  }

  async #daysBefore(beginMs: number): Promise<ReadonlyMap<string, MonitorBucket>[]> {
    const fromMs = beginMs - REFERENCE_WEEKS * 7 * DAY_MS;
    return [mergeBuckets(await this.#read({ grain: 'day', fromMs, untilMs: beginMs }), 'day', beginMs)];
  }

  #read(filter: {
    readonly grain?: MonitorBucket['grain'];
    readonly fromMs: number;
    readonly untilMs: number;
  }): Promise<MonitorBucket[]> {
    return withClient(this.#options.pool, async (client) => {
      const buckets = await readBuckets(client, { ...filter, segment: 'any' });
      // Nobody merges them: an hour stays one.
      return filter.grain === 'day' ? buckets : [...buckets, ...(await keptBuckets(client, filter))];
    });
  }
}

/** A day of fewer has hours that tell nothing. */
const SMALL_DAY = 24 * THRESHOLDS.leastRecords;

/** `view.feature`: what a service serves is named so already. */
function featureOf(object: string, field: string, slow: ReadonlySet<string>): string {
  return slow.has(field) ? field : `${object}.${field}`;
}
