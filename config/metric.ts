/** What a metric is, wherever it is made. */
export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** The process that tells it. */
  readonly from: 'serve' | 'worker';
  readonly labels: readonly string[];
  readonly help: string;
}
