import { LOOP_METRICS } from './loop-metrics.ts';
import type { Metric } from './metric.ts';
import { MONITOR_METRICS } from './monitor-metrics.ts';

/**
 * Every metric of ours. Who makes one takes its help and labels from here; `docs/metrics.md` is made of it; alerts and panels may name these alone.
 * Labels that `docs/metrics.md` says stand on all of them are not repeated.
 */
export const METRICS = {
  millrace_http_requests_total: {
    kind: 'counter',
    from: 'serve',
    labels: ['route', 'status'],
    help: 'Requests by route and status.',
  },
  millrace_http_request_seconds: {
    kind: 'histogram',
    from: 'serve',
    labels: ['route'],
    help: 'Time to answer, by route.',
  },
  millrace_reads_total: {
    kind: 'counter',
    from: 'serve',
    labels: ['view', 'found'],
    help: 'Entities read, by view and whether they were found.',
  },
  millrace_read_errors_total: {
    kind: 'counter',
    from: 'serve',
    labels: ['view', 'code'],
    help: 'Features read as null with an error beside them, by view and code; an entity whose state is corrupt counts once.',
  },
  millrace_derived_errors_total: {
    kind: 'counter',
    from: 'serve',
    labels: ['service', 'code'],
    help: 'Derived features of services answered as null with an error beside them, by service and code.',
  },
  millrace_served_reads_logged_total: {
    kind: 'counter',
    from: 'serve',
    labels: [],
    help: 'Reads acknowledged by the serving log.',
  },
  millrace_served_reads_dropped_total: {
    kind: 'counter',
    from: 'serve',
    labels: ['reason'],
    help: 'Sampled reads that are missing from the serving log, by reason.',
  },
  millrace_served_reads_buffered: {
    kind: 'gauge',
    from: 'serve',
    labels: [],
    help: 'Reads that wait to be sent to the serving log.',
  },
  ...LOOP_METRICS,
  ...MONITOR_METRICS,
  millrace_database_up: {
    kind: 'gauge',
    from: 'serve',
    labels: [],
    help: '1 where the catalog answered this scrape; 0 leaves what it knows of views out.',
  },
  millrace_view_freshness_seconds: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: "Age of the view's watermark.",
  },
  millrace_view_lag_records: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: "Records behind the topic's real end, open transactions included, as the stream last saw it.",
  },
  millrace_view_commit_age_seconds: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Since the stream of the view last committed or looked at its partitions: it grows where no stream runs, and where nothing arrives.',
  },
  millrace_view_records: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view', 'outcome'],
    help: 'Records and rows of history that the live version has taken in, by what became of them (`applied`, `invalid`, `duplicates`, `late` …); `records` are all.',
  },
  millrace_view_dead_letters: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Dead letters that the versions of a view have had, those that were dropped since included.',
  },
  millrace_view_mostly_invalid_partitions: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Partitions of whose last 20 records more than half are invalid.',
  },
  millrace_view_upgrading: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: '1 while what is served was built by earlier semantics of the engine: it stands still until the next version takes over.',
  },
  millrace_view_kept_bytes: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view', 'kind'],
    help: 'Commit records and dead letters of a view in the database, by kind.',
  },
  millrace_view_dropped_rows: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view', 'kind'],
    help: 'Commit records that were merged into others, and dead letters that were dropped, to stay within what is kept.',
  },
  millrace_view_expired_rows: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Rows of expired entities (`expire`) that the stream of the live version has removed.',
  },
  millrace_parity_cells_compared: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Cells the newest parity audit of a view compared.',
  },
  millrace_parity_cells_differing: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Cells of them that differed from what the log says.',
  },
  millrace_parity_lost_reads: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Logged reads that it met of commits which a failover or a restore lost: nothing is said of them.',
  },
  millrace_parity_audit_age_seconds: {
    kind: 'gauge',
    from: 'serve',
    labels: ['view'],
    help: 'Age of the newest parity audit of a view.',
  },
  millrace_archive_lag_records: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: "Records behind the topic's real end, as the archiver last saw it.",
  },
  millrace_archive_holes: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: 'Stretches that the topic deleted before they were archived.',
  },
  millrace_archive_lost_offsets: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: 'Offsets in these stretches.',
  },
  millrace_archive_age_seconds: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: 'Since an archiver last added a file or took its partitions: it grows where none runs, and where nothing arrives.',
  },
  millrace_view_phase: {
    kind: 'gauge',
    from: 'worker',
    labels: ['view', 'phase'],
    help: '1 for the phase a view is in, 0 for one it was in since the worker started; `no-lifecycle` where a view is served that no workflow looks after. Each worker of role `workflow` tells it of all views.',
  },
  millrace_archive_phase: {
    kind: 'gauge',
    from: 'worker',
    labels: ['source', 'phase'],
    help: 'The same of the archives.',
  },
  millrace_service_reachable: {
    kind: 'gauge',
    from: 'worker',
    labels: ['service'],
    help: '1 where `postgres`, `kafka`, `temporal` answered this worker last, and `schema` where the database has all that this release needs; else 0, and `/readyz` says why.',
  },
  millrace_activity_failures_total: {
    kind: 'counter',
    from: 'worker',
    labels: ['view', 'activity_type', 'code'],
    help: 'Attempts of activities that failed, by error code; `view` is empty where the workflow is not that of a view.',
  },
  millrace_slices_total: {
    kind: 'counter',
    from: 'worker',
    labels: ['workflow_id', 'activity_type', 'ended'],
    help: 'Slices of streams and archives that ended, by how (`deadline`, `superseded`, `aborted`, …).',
  },
  millrace_slice_records_total: {
    kind: 'counter',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Records that these slices committed; counted as the slice ends.',
  },
  millrace_dead_letters_total: {
    kind: 'counter',
    from: 'worker',
    labels: ['view', 'reason'],
    help: 'Reasons of the dead letters that streams committed: the field and what was expected of it, without what was received; the commonest 20 of a view, then `other`.',
  },
  millrace_activity_waiting_seconds: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'How long the activity has waited for a service or for memory; 0 where it does not.',
  },
  millrace_activity_lag: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Records behind the real end of the topic, of a stream or an archive. One that has ended keeps what it said last.',
  },
  millrace_activity_held: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Of them, those behind open transactions.',
  },
  millrace_activity_holes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Holes that the slice of an archive noticed.',
  },
  millrace_activity_buffered: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Records that an archive has read and not yet in a file.',
  },
  millrace_activity_memory_intake_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Of a stream: records read and not committed.',
  },
  millrace_activity_memory_states_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Of a stream: states kept at hand.',
  },
  millrace_activity_memory_ids_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['workflow_id', 'activity_type'],
    help: 'Of a stream: ids of events within the horizon.',
  },
  millrace_bundles_imported: {
    kind: 'gauge',
    from: 'worker',
    labels: [],
    help: 'Bundles of versions that the process has imported; at 500 it ends, and is to be started again.',
  },
  millrace_bundles_imported_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: [],
    help: 'Bytes of these bundles.',
  },
  millrace_memory_limit_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['place'],
    help: 'What may be reserved of the memory of the process, by place: `heap`, `buffers`; `intake`, records on their way in; `duckdb`, turns at it.',
  },
  millrace_memory_used_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['place'],
    help: 'What is reserved of it.',
  },
  millrace_memory_held_bytes: {
    kind: 'gauge',
    from: 'worker',
    labels: ['holder'],
    help: 'What of it is held, by whom; 0 for who held some before.',
  },
  millrace_memory_waiting: {
    kind: 'gauge',
    from: 'worker',
    labels: ['place'],
    help: 'How many wait for memory, by place: `memory`, `intake` (records on their way in), `duckdb` (turns at it).',
  },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

/** The metrics of a kind that a process tells. */
export type MetricOf<From extends Metric['from'], Kind extends Metric['kind']> = {
  [Name in MetricName]: (typeof METRICS)[Name] extends { readonly from: From; readonly kind: Kind } ? Name : never;
}[MetricName];

/** The labels of a metric. */
export type LabelOf<Name extends MetricName> = (typeof METRICS)[Name]['labels'][number];

/** Of the metrics of Temporal's SDK, those that alerts and panels of ours build on. A worker tells them beside ours; durations are milliseconds. */
export const TEMPORAL_METRICS = {
  temporal_worker_task_slots_available:
    'Tasks that the worker could take beside those it has, by `worker_type` and `task_queue`.',
  temporal_worker_task_slots_used: 'Tasks that it has.',
  temporal_num_pollers: 'Polls it has open, by `poller_type` and `task_queue`; 0 takes no work.',
  temporal_workflow_task_execution_failed:
    'Tasks of workflows that failed: code and history do not fit (`failure_reason="NonDeterminismError"`), or the code threw.',
  temporal_activity_schedule_to_start_latency_bucket: 'How long activities waited for a worker (histogram).',
  temporal_workflow_task_schedule_to_start_latency_bucket: 'How long tasks of workflows did.',
  temporal_request_failure: 'Calls of Temporal that failed, by `operation` and `status_code`.',
} as const satisfies Readonly<Record<string, string>>;
