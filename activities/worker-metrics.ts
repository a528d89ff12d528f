import type { MetricCounter, MetricGauge, MetricMeter } from '@temporalio/common';
import { METRICS, type MetricOf } from '../config/metric-list.ts';

/** A gauge of the list, among the metrics of the SDK. */
export function gaugeOn(
  meter: MetricMeter,
  name: MetricOf<'worker', 'gauge'>,
  type: 'int' | 'float' = 'int',
): MetricGauge {
  return meter.createGauge(name, type, undefined, METRICS[name].help);
}

/** A counter of the list, among the metrics of the SDK. */
export function counterOn(meter: MetricMeter, name: MetricOf<'worker', 'counter'>): MetricCounter {
  return meter.createCounter(name, undefined, METRICS[name].help);
}

/** Gauges of which one per label combination is 1: the others, once shown, are 0. */
export class OneOfGauge {
  readonly #gauge: MetricGauge;
  #shown = new Map<string, Readonly<Record<string, string>>>();

  constructor(gauge: MetricGauge) {
    this.#gauge = gauge;
  }

  show(present: readonly Readonly<Record<string, string>>[]): void {
    const now = new Map(present.map((labels) => [JSON.stringify(labels), labels]));
    for (const [key, labels] of this.#shown) if (!now.has(key)) this.#gauge.set(0, labels);
    for (const labels of now.values()) this.#gauge.set(1, labels);
    this.#shown = new Map([...this.#shown, ...now]);
  }
}
