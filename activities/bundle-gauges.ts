import type { MetricGauge, MetricMeter } from '@temporalio/common';
import type { StoredVersionCode } from '../engine/bundles/version-code.ts';
import { gaugeOn } from './worker-metrics.ts';

/** What a worker has imported of versions' code, as its metrics `millrace_bundles_…`. */
export class BundleGauges {
  readonly #code: Pick<StoredVersionCode, 'imported'>;
  readonly #count: MetricGauge;
  readonly #bytes: MetricGauge;

  constructor(meter: MetricMeter, code: Pick<StoredVersionCode, 'imported'>) {
    this.#code = code;
    this.#count = gaugeOn(meter, 'millrace_bundles_imported');
    this.#bytes = gaugeOn(meter, 'millrace_bundles_imported_bytes');
  }

  show(): void {
    const { count, bytes } = this.#code.imported;
    this.#count.set(count);
    this.#bytes.set(bytes);
  }
}
