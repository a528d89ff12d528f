import type { Alert } from '../../engine/alerts/alert.ts';
import { type AlertStep, stepAlerts } from '../../engine/alerts/alert-course.ts';
import { type BucketResult, evaluateBucket, type SeriesInput } from '../../engine/alerts/evaluate-bucket.ts';
import type { Figures } from '../../engine/alerts/figures.ts';
import { NO_MEMORY, type SeriesMemory } from '../../engine/alerts/judge-series.ts';
import { type MonitorPaths, NO_PATHS } from '../../engine/alerts/monitor-paths.ts';
import { subjectKey, subjectOfKey } from '../../engine/alerts/subject-text.ts';
import { type Cause, traceCauses } from '../../engine/alerts/trace-causes.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';

const HOUR_MS = 3_600_000;

interface Kept {
  readonly slots: Map<number, Figures[]>;
  memory: SeriesMemory;
}

export interface WatchedHour {
  readonly result: BucketResult;
  readonly causes: Cause[];
}

/** What the evaluator keeps in Postgres, in memory: hours go in, causes and alerts come out. */
export class WatchedSeries {
  readonly #kept: Map<string, Kept>;
  readonly #hours: Map<number, ReadonlyMap<string, MonitorBucket>>;
  readonly #isBranch: boolean;
  readonly #paths: MonitorPaths;
  alerts: readonly Alert[] = [];

  constructor(paths: MonitorPaths = NO_PATHS, from: WatchedSeries | null = null) {
    this.#paths = paths;
    this.#isBranch = from !== null;
    const kept = from === null ? [] : [...from.#kept].map(([key, each]) => [key, { ...each }] as const);
    this.#kept = new Map(kept);
    this.#hours = from === null ? new Map() : new Map(from.#hours);
    this.alerts = from?.alerts ?? [];
  }

  /** What would come of other hours from here on, of a few: weeks are not changed. */
  branch(): WatchedSeries {
    return new WatchedSeries(this.#paths, this);
  }

  /** Looks without keeping anything. */
  look(beginMs: number, buckets: readonly MonitorBucket[], isTested = true): WatchedHour {
    const now = new Map(buckets.map((bucket) => [subjectKey(bucket), bucket]));
    const keys = new Set([...now.keys(), ...this.#kept.keys()]);
    const inputs: SeriesInput[] = [...keys].flatMap((key) => {
      const kept = this.#kept.get(key);
      const bucket = now.get(key) ?? null;
      const subject = subjectOfKey(key);
      if (bucket === null && subject.field !== null) return [];
      const reference = [1, 2, 3, 4, 5, 6, 7].flatMap(
        (day) => this.#hours.get(beginMs - day * 24 * HOUR_MS)?.get(key) ?? [],
      );
      const past = kept?.slots.get(slotOf(beginMs)) ?? [];
      return [{ subject, bucket, reference, past, memory: kept?.memory ?? NO_MEMORY, isTested }];
    });
    const result = evaluateBucket('hour', beginMs, inputs);
    const open = this.alerts.filter(({ state }) => state === 'open').map(({ root }) => root);
    return { result, causes: traceCauses(result, this.#paths, open) };
  }

  /** Keeps what an hour came to. */
  keep(beginMs: number, buckets: readonly MonitorBucket[], { result, causes }: WatchedHour): AlertStep[] {
    for (const [key, { figures, memory }] of result.series) {
      const kept: Kept = this.#kept.get(key) ?? { slots: new Map(), memory };
      kept.memory = memory;
      if (!this.#isBranch)
        kept.slots.set(slotOf(beginMs), [figures, ...(kept.slots.get(slotOf(beginMs)) ?? [])].slice(0, 8));
      this.#kept.set(key, kept);
    }
    this.#hours.set(beginMs, new Map(buckets.map((bucket) => [subjectKey(bucket), bucket])));
    this.#hours.delete(beginMs - 8 * 24 * HOUR_MS);
    const atMs = beginMs + 65 * 60_000;
    const steps = stepAlerts({ installation: 'default', grain: 'hour', atMs, result, causes, alerts: this.alerts });
    const byId = new Map(this.alerts.map((alert) => [alert.id, alert]));
    for (const { alert } of steps) byId.set(alert.id, alert);
    this.alerts = [...byId.values()].filter(
      ({ closedAtMs }) => closedAtMs === null || atMs - closedAtMs <= 24 * HOUR_MS,
    );
    return steps;
  }

  next(beginMs: number, buckets: readonly MonitorBucket[], isTested = true): AlertStep[] {
    return this.keep(beginMs, buckets, this.look(beginMs, buckets, isTested));
  }
}

function slotOf(beginMs: number): number {
  return Math.floor(beginMs / HOUR_MS) % 168;
}
