import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type LabelOf, METRICS, type MetricOf } from '../config/metric-list.ts';

/** A counter of the list. `collect` is called at each scrape. */
export function counterOf<Name extends MetricOf<'serve', 'counter'>>(
  registry: Registry,
  name: Name,
  collect?: (counter: Counter<LabelOf<Name>>) => void,
): Counter<LabelOf<Name>> {
  const counter: Counter<LabelOf<Name>> = new Counter({
    ...aboutOf<Name>(name),
    registers: [registry],
    ...(collect === undefined ? {} : { collect: () => collect(counter) }),
  });
  return counter;
}

/** A gauge of the list. `collect` is called at each scrape. */
export function gaugeOf<Name extends MetricOf<'serve', 'gauge'>>(
  registry: Registry,
  name: Name,
  collect?: (gauge: Gauge<LabelOf<Name>>) => void,
): Gauge<LabelOf<Name>> {
  const gauge: Gauge<LabelOf<Name>> = new Gauge({
    ...aboutOf<Name>(name),
    registers: [registry],
    ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
  });
  return gauge;
}

/** A histogram of the list; its buckets in the metric's unit. */
export function histogramOf<Name extends MetricOf<'serve', 'histogram'>>(
  registry: Registry,
  name: Name,
  buckets: number[],
): Histogram<LabelOf<Name>> {
  return new Histogram({ ...aboutOf<Name>(name), buckets, registers: [registry] });
}

function aboutOf<Name extends keyof typeof METRICS>(
  name: Name,
): { readonly name: string; readonly help: string; readonly labelNames: LabelOf<Name>[] } {
  const { help, labels } = METRICS[name];
  return { name, help, labelNames: [...labels] };
}
