/** A series as promtool writes it: values a minute apart. */
export type Series = readonly [series: string, values: string];

/** When an alert has to fire, and when not. */
export interface AlertCase {
  readonly alert: string;
  /** What fires it, at `at`. */
  readonly fires: readonly Series[];
  /** What does not, at the same time. */
  readonly quiet: readonly Series[];
  readonly at: string;
  /** Labels of what fires, beside its severity. */
  readonly labels: Readonly<Record<string, string>>;
  /** What stands in its texts where they show the value. */
  readonly value?: string;
}
