import { Registry } from 'prom-client';
import { DEFAULT_INSTALLATION, type InstallationNames } from '../engine/installation/installation-names.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import type { DecisionLog } from '../engine/decisions/decision-log.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import type { DerivedJson } from './served-service.ts';
import { CatalogGauges, type ScrapedViews } from './catalog-gauges.ts';
import { counterOf, gaugeOf, histogramOf } from './registered-metrics.ts';

/** From a coalesced hit to a request that waited for a flip, in seconds. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** The metrics of the serving API, in a registry of their own. */
export class ApiMetrics {
  readonly #registry = new Registry();
  readonly #requests = counterOf(this.#registry, 'millrace_http_requests_total');
  readonly #seconds = histogramOf(this.#registry, 'millrace_http_request_seconds', LATENCY_BUCKETS);
  readonly #reads = counterOf(this.#registry, 'millrace_reads_total');
  readonly #readErrors = counterOf(this.#registry, 'millrace_read_errors_total');
  readonly #derivedErrors = counterOf(this.#registry, 'millrace_derived_errors_total');
  readonly #modelsLost = counterOf(this.#registry, 'millrace_model_files_refused_total');
  readonly #fallbacks = counterOf(this.#registry, 'millrace_rollout_fallbacks_total');
  readonly #catalog = new CatalogGauges(this.#registry);

  /**
   * @param installation Stands on all of them, but for the default one.
   * @param servingLog Its figures are told where there is one.
   * @param decisionLog The same.
   */
  constructor({ name }: InstallationNames, servingLog?: ServingLog, decisionLog?: DecisionLog) {
    if (name !== DEFAULT_INSTALLATION) this.#registry.setDefaultLabels({ installation: name });
    if (decisionLog !== undefined) this.#tellDecisions(decisionLog);
    if (servingLog === undefined) return;
    counterOf(this.#registry, 'millrace_served_reads_logged_total', (logged) => {
      logged.reset();
      logged.inc(servingLog.figures.logged);
    });
    counterOf(this.#registry, 'millrace_served_reads_dropped_total', (dropped) => {
      dropped.reset();
      for (const [reason, reads] of Object.entries(servingLog.figures.dropped)) dropped.inc({ reason }, reads);
    });
    gaugeOf(this.#registry, 'millrace_served_reads_buffered', (buffered) => buffered.set(servingLog.figures.buffered));
  }

  #tellDecisions(log: DecisionLog): void {
    counterOf(this.#registry, 'millrace_decisions_sent_total', (sent) => {
      sent.reset();
      for (const [source, figures] of Object.entries(log.figures.sources)) sent.inc({ source }, figures.sent);
    });
    counterOf(this.#registry, 'millrace_decisions_dropped_total', (dropped) => {
      dropped.reset();
      for (const [source, figures] of Object.entries(log.figures.sources))
        for (const [reason, records] of Object.entries(figures.dropped)) dropped.inc({ source, reason }, records);
    });
    gaugeOf(this.#registry, 'millrace_decisions_buffered', (buffered) => {
      for (const [source, figures] of Object.entries(log.figures.sources)) buffered.set({ source }, figures.buffered);
    });
  }

  request(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status: String(status) });
    this.#seconds.observe({ route }, seconds);
  }

  reads(view: string, reads: readonly ViewRead[]): void {
    const found = reads.filter((read) => read.found).length;
    if (found > 0) this.#reads.inc({ view, found: 'true' }, found);
    if (found < reads.length) this.#reads.inc({ view, found: 'false' }, reads.length - found);
    for (const { errors } of reads) {
      if (errors !== null) for (const code of Object.values(errors)) this.#readErrors.inc({ view, code });
    }
  }

  derived(service: string, derived: readonly DerivedJson[]): void {
    for (const { errors } of derived) {
      if (errors !== null) for (const code of Object.values(errors)) this.#derivedErrors.inc({ service, code });
    }
  }

  /** A model's file that was asked for and could not be given. */
  modelLost(model: string, code: string): void {
    this.#modelsLost.inc({ model, code });
  }

  /** A unit that was decided for by what is there although its variant may be another. */
  rolloutFallback(model: string, reason: string): void {
    this.#fallbacks.inc({ model, reason });
  }

  /** The text of a scrape; `views` is null where the database did not answer. */
  scrape(views: ScrapedViews | null, nowUs: number): Promise<string> {
    this.#catalog.show(views, nowUs);
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
