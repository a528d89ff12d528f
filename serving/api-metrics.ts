import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isRetired } from '../engine/define/semantics.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import type { KeptSize } from '../engine/postgres/kept-sizes.ts';
import type { StoredAudit } from '../engine/postgres/parity-audits.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import type { ArchiveProgress } from './archive-progress.ts';
import type { ViewProgress } from './view-progress.ts';

/** From a coalesced hit to a request that waited for a flip, in seconds. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** What the catalog says of the views at a scrape. */
export interface ScrapedViews {
  readonly progress: readonly ViewProgress[];
  /** The newest of each view. */
  readonly audits: readonly StoredAudit[];
  readonly kept: readonly KeptSize[];
  readonly archives: readonly ArchiveProgress[];
}

/** The metrics of the serving API, in a registry of their own. */
export class ApiMetrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'millrace_http_requests_total',
    help: 'Requests by route and status.',
    labelNames: ['route', 'status'],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: 'millrace_http_request_seconds',
    help: 'Time to answer, by route.',
    labelNames: ['route'],
    buckets: LATENCY_BUCKETS,
    registers: [this.#registry],
  });
  readonly #reads = new Counter({
    name: 'millrace_reads_total',
    help: 'Entities read, by view and whether they were found.',
    labelNames: ['view', 'found'],
    registers: [this.#registry],
  });
  readonly #readErrors = new Counter({
    name: 'millrace_read_errors_total',
    help: 'Features read as null with an error beside them, by view and code; an entity whose state is corrupt counts once.',
    labelNames: ['view', 'code'],
    registers: [this.#registry],
  });
  readonly #freshness = new Gauge({
    name: 'millrace_view_freshness_seconds',
    help: "Age of the view's watermark.",
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #lag = new Gauge({
    name: 'millrace_view_lag_records',
    help: "Records behind the topic's real end, open transactions included, as the stream last saw it.",
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #mostlyInvalid = new Gauge({
    name: 'millrace_view_mostly_invalid_partitions',
    help: 'Partitions of whose last 20 records more than half are invalid.',
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #upgrading = new Gauge({
    name: 'millrace_view_upgrading',
    help: '1 while what is served was built by earlier semantics of the engine: it stands still until the next version takes over.',
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #cells = new Gauge({
    name: 'millrace_parity_cells_compared',
    help: 'Cells the newest parity audit of a view compared.',
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #differing = new Gauge({
    name: 'millrace_parity_cells_differing',
    help: 'Cells of them that differed from what the log says.',
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #auditAge = new Gauge({
    name: 'millrace_parity_audit_age_seconds',
    help: 'Age of the newest parity audit of a view.',
    labelNames: ['view'],
    registers: [this.#registry],
  });
  readonly #kept = new Gauge({
    name: 'millrace_view_kept_bytes',
    help: 'Commit records and dead letters of a view in the database, by kind.',
    labelNames: ['view', 'kind'],
    registers: [this.#registry],
  });
  readonly #dropped = new Gauge({
    name: 'millrace_view_dropped_rows',
    help: 'Commit records that were merged into others, and dead letters that were dropped, to stay within what is kept.',
    labelNames: ['view', 'kind'],
    registers: [this.#registry],
  });
  readonly #archiveLag = new Gauge({
    name: 'millrace_archive_lag_records',
    help: "Records behind the topic's real end, as the archiver last saw it.",
    labelNames: ['source'],
    registers: [this.#registry],
  });
  readonly #archiveHoles = new Gauge({
    name: 'millrace_archive_holes',
    help: 'Stretches that the topic deleted before they were archived.',
    labelNames: ['source'],
    registers: [this.#registry],
  });
  readonly #archiveLost = new Gauge({
    name: 'millrace_archive_lost_offsets',
    help: 'Offsets in these stretches.',
    labelNames: ['source'],
    registers: [this.#registry],
  });
  readonly #archiveAge = new Gauge({
    name: 'millrace_archive_age_seconds',
    help: 'Since an archiver last added a file or took its partitions: it grows where none runs, and where nothing arrives.',
    labelNames: ['source'],
    registers: [this.#registry],
  });
  readonly #databaseUp = new Gauge({
    name: 'millrace_database_up',
    help: '1 where the catalog answered this scrape; 0 leaves what it knows of views out.',
    registers: [this.#registry],
  });

  /** @param servingLog Its figures are told where there is one. */
  constructor(servingLog?: ServingLog) {
    if (servingLog === undefined) return;
    const registers: Registry[] = [];
    const logged = new Counter({
      name: 'millrace_served_reads_logged_total',
      help: 'Reads acknowledged by the serving log.',
      registers,
      collect(): void {
        this.reset();
        this.inc(servingLog.figures.logged);
      },
    });
    const dropped = new Counter({
      name: 'millrace_served_reads_dropped_total',
      help: 'Sampled reads that are missing from the serving log, by reason.',
      labelNames: ['reason'],
      registers,
      collect(): void {
        this.reset();
        for (const [reason, reads] of Object.entries(servingLog.figures.dropped)) this.inc({ reason }, reads);
      },
    });
    const buffered = new Gauge({
      name: 'millrace_served_reads_buffered',
      help: 'Reads that wait to be sent to the serving log.',
      registers,
      collect(): void {
        this.set(servingLog.figures.buffered);
      },
    });
    for (const metric of [logged, dropped, buffered]) this.#registry.registerMetric(metric);
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

  /** The text of a scrape; `views` is null where the database did not answer. */
  scrape(views: ScrapedViews | null, nowUs: number): Promise<string> {
    const gauges = [
      this.#freshness,
      this.#lag,
      this.#mostlyInvalid,
      this.#upgrading,
      this.#cells,
      this.#differing,
      this.#auditAge,
      this.#kept,
      this.#dropped,
      this.#archiveLag,
      this.#archiveHoles,
      this.#archiveLost,
      this.#archiveAge,
    ];
    for (const gauge of gauges) gauge.reset();
    this.#databaseUp.set(views === null ? 0 : 1);
    for (const { view, lag, watermarkUs, mostlyInvalid, semantics } of views?.progress ?? []) {
      this.#mostlyInvalid.set({ view }, mostlyInvalid);
      this.#upgrading.set({ view }, isRetired(semantics) ? 1 : 0);
      if (lag !== null) this.#lag.set({ view }, lag);
      if (watermarkUs !== null) this.#freshness.set({ view }, Math.max(0, nowUs - watermarkUs) / 1_000_000);
    }
    for (const { view, cellsCompared, cellsDiffering, finishedAtUs } of views?.audits ?? []) {
      this.#cells.set({ view }, cellsCompared);
      this.#differing.set({ view }, cellsDiffering);
      this.#auditAge.set({ view }, Math.max(0, nowUs - finishedAtUs) / 1_000_000);
    }
    for (const { view, kind, bytes, droppedRows } of views?.kept ?? []) {
      this.#kept.inc({ view, kind }, bytes);
      this.#dropped.inc({ view, kind }, droppedRows);
    }
    for (const { source, lag, holes, lost, updatedAtUs } of views?.archives ?? []) {
      this.#archiveLag.set({ source }, lag);
      this.#archiveHoles.set({ source }, holes);
      this.#archiveLost.set({ source }, lost);
      this.#archiveAge.set({ source }, Math.max(0, nowUs - updatedAtUs) / 1_000_000);
    }
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
