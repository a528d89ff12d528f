/** A panel of the dashboard: what it shows, and how it reads. */
export interface Panel {
  readonly title: string;
  /** Said by the panel's (i). */
  readonly description: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  /** A unit of Grafana's: `s`, `short`, `bytes`, `reqps`, `percentunit` … */
  readonly unit: string;
  /** PromQL and its legend. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** Of 24 columns; default 8. */
  readonly width?: number;
}

const OF_VIEW = 'installation=~"$installation", view=~"$view"';
const OURS = 'installation=~"$installation"';

/** The rows of the dashboard, each with its panels. */
export const ROWS: readonly (readonly [title: string, panels: readonly Panel[]])[] = [
  [
    'Views',
    [
      {
        title: 'Phase',
        description: 'What each lifecycle is at; `millrace status` says more.',
        kind: 'table',
        unit: 'short',
        queries: [[`max by (installation, view, phase) (millrace_view_phase{${OF_VIEW}}) == 1`, '{{view}}: {{phase}}']],
      },
      {
        title: 'Lag',
        description: "Records behind the topic's real end.",
        kind: 'timeseries',
        unit: 'short',
        queries: [[`max by (installation, view) (millrace_view_lag_records{${OF_VIEW}})`, '{{view}}']],
      },
      {
        title: 'Freshness',
        description: 'Age of the newest event that is served. It grows where nothing arrives, too.',
        kind: 'timeseries',
        unit: 's',
        queries: [[`max by (installation, view) (millrace_view_freshness_seconds{${OF_VIEW}})`, '{{view}}']],
      },
      {
        title: 'Records taken in',
        description: 'Of the live version, by what became of them.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (outcome) (max by (installation, view, outcome) (deriv(millrace_view_records{${OF_VIEW}, outcome!="records"}[5m])) > 0)`,
            '{{outcome}} a second',
          ],
        ],
      },
      {
        title: 'Dead letters by reason',
        description: 'Of streams; `millrace dead-letters VIEW` shows them.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`sum by (view, reason) (increase(millrace_dead_letters_total{${OF_VIEW}}[5m]))`, '{{view}} {{reason}}'],
          [
            `max by (view) (millrace_view_mostly_invalid_partitions{${OF_VIEW}}) > 0`,
            '{{view}}: partitions mostly invalid',
          ],
        ],
      },
      {
        title: 'Failures by code',
        description: 'Attempts of activities that failed; docs/errors.md has each code.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (activity_type, code) (increase(millrace_activity_failures_total{${OURS}, view=~"$view|"}[5m]))`,
            '{{activity_type}} {{code}}',
          ],
        ],
      },
      {
        title: 'Waiting',
        description: 'How long activities have waited for a service or for memory.',
        kind: 'timeseries',
        unit: 's',
        queries: [
          [
            `max by (workflow_id, activity_type) (millrace_activity_waiting_seconds{${OURS}}) > 0`,
            '{{workflow_id}} {{activity_type}}',
          ],
        ],
      },
      {
        title: 'Slices',
        description: 'Ends of slices of streams and archives, an hour. Most end at their deadline.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (activity_type, ended) (increase(millrace_slices_total{${OURS}}[1h]))`,
            '{{activity_type}} {{ended}}',
          ],
        ],
      },
      {
        title: 'Behind open transactions',
        description: 'Records that a stream or an archive may not see yet.',
        kind: 'timeseries',
        unit: 'short',
        queries: [[`max by (workflow_id) (millrace_activity_held{${OURS}}) > 0`, '{{workflow_id}}']],
      },
    ],
  ],
  [
    'Serving',
    [
      {
        title: 'Requests',
        description: 'By status.',
        kind: 'timeseries',
        unit: 'reqps',
        queries: [[`sum by (status) (rate(millrace_http_requests_total{${OURS}}[$__rate_interval]))`, '{{status}}']],
      },
      {
        title: 'Time to answer',
        description: 'Of /v1/features.',
        kind: 'timeseries',
        unit: 's',
        queries: [0.5, 0.99].map((quantile) => [
          `histogram_quantile(${quantile}, sum by (le) (rate(millrace_http_request_seconds_bucket{${OURS}, route="/v1/features"}[$__rate_interval])))`,
          `p${quantile * 100}`,
        ]),
      },
      {
        title: 'Entities read',
        description: 'Found and not found; those with an error beside a feature.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (view, found) (rate(millrace_reads_total{${OF_VIEW}}[$__rate_interval]))`,
            '{{view}} found={{found}}',
          ],
          [`sum by (view, code) (rate(millrace_read_errors_total{${OF_VIEW}}[$__rate_interval]))`, '{{view}} {{code}}'],
        ],
      },
      {
        title: 'Serving log',
        description: 'Reads logged, missing and waiting to be sent.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`sum(rate(millrace_served_reads_logged_total{${OURS}}[$__rate_interval]))`, 'logged a second'],
          [
            `sum by (reason) (rate(millrace_served_reads_dropped_total{${OURS}}[$__rate_interval]))`,
            'missing: {{reason}}',
          ],
          [`sum(millrace_served_reads_buffered{${OURS}})`, 'waiting'],
        ],
        width: 12,
      },
      {
        title: 'Decisions and outcomes by HTTP',
        description: 'Records sent, lost and waiting to be sent, by source.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`sum by (source) (rate(millrace_decisions_sent_total{${OURS}}[$__rate_interval]))`, '{{source}} a second'],
          [
            `sum by (source, reason) (rate(millrace_decisions_dropped_total{${OURS}}[$__rate_interval]))`,
            '{{source}} lost: {{reason}}',
          ],
          [`sum by (source) (millrace_decisions_buffered{${OURS}})`, '{{source}} waiting'],
        ],
        width: 12,
      },
      {
        title: 'Database',
        description: '1 where the API reaches the catalog.',
        kind: 'stat',
        unit: 'short',
        queries: [[`min by (installation, instance) (millrace_database_up{${OURS}})`, '{{instance}}']],
        width: 12,
      },
    ],
  ],
  [
    'Truth',
    [
      {
        title: 'Cells that differ',
        description: 'Of the newest audit of each view. Anything but 0 is a fault.',
        kind: 'stat',
        unit: 'short',
        queries: [[`max by (installation, view) (millrace_parity_cells_differing{${OF_VIEW}})`, '{{view}}']],
      },
      {
        title: 'Cells compared',
        description:
          'By the newest audit; and the logged reads of which nothing can be said, as a failover or a restore lost their commits.',
        kind: 'stat',
        unit: 'short',
        queries: [
          [`max by (installation, view) (millrace_parity_cells_compared{${OF_VIEW}})`, '{{view}}'],
          [`max by (installation, view) (millrace_parity_lost_reads{${OF_VIEW}}) > 0`, '{{view}}: lost reads'],
        ],
      },
      {
        title: 'Age of the newest audit',
        description: 'Of each view that has had one.',
        kind: 'stat',
        unit: 's',
        queries: [[`min by (installation, view) (millrace_parity_audit_age_seconds{${OF_VIEW}})`, '{{view}}']],
      },
    ],
  ],
  [
    'Archives',
    [
      {
        title: 'Lag of archives',
        description: 'Records that are not archived yet. Compare it with the retention of the topic.',
        kind: 'timeseries',
        unit: 'short',
        queries: [[`max by (installation, source) (millrace_archive_lag_records{${OURS}})`, '{{source}}']],
      },
      {
        title: 'Holes',
        description: 'Stretches that the topic deleted before they were archived, and the offsets in them.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`max by (installation, source) (millrace_archive_holes{${OURS}})`, '{{source}} holes'],
          [`max by (installation, source) (millrace_archive_lost_offsets{${OURS}})`, '{{source}} offsets'],
        ],
      },
      {
        title: 'Phase of archives',
        description: 'And how long ago a file was added.',
        kind: 'table',
        unit: 's',
        queries: [
          [`max by (installation, source, phase) (millrace_archive_phase{${OURS}}) == 1`, '{{source}}: {{phase}}'],
          [`min by (installation, source) (millrace_archive_age_seconds{${OURS}})`, '{{source}}: newest file'],
        ],
      },
    ],
  ],
  [
    'Pairs',
    [
      {
        title: 'Phase of joiners',
        description: 'And the pairs that wait to be sent.',
        kind: 'table',
        unit: 'short',
        queries: [
          [`max by (installation, label_set, phase) (millrace_pairs_phase{${OURS}}) == 1`, '{{label_set}}: {{phase}}'],
          [`max by (installation, topic) (millrace_outbox_records{${OURS}})`, '{{topic}}: wait'],
        ],
      },
      {
        title: 'Lag of joiners',
        description: 'Decisions and outcomes that are not joined yet.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`max by (installation, label_set, side) (millrace_pairs_lag_records{${OURS}})`, '{{label_set}} {{side}}'],
        ],
      },
      {
        title: 'Pairs made',
        description: 'A second, by label set.',
        kind: 'timeseries',
        unit: 'short',
        queries: [[`max by (installation, label_set) (deriv(millrace_pairs_made{${OURS}}[5m]))`, '{{label_set}}']],
      },
    ],
  ],
  [
    'Workers',
    [
      {
        title: 'Memory reserved',
        description: 'Share of what may be reserved, by place; docs/memory.md.',
        kind: 'timeseries',
        unit: 'percentunit',
        queries: [
          [`millrace_memory_used_bytes{${OURS}} / millrace_memory_limit_bytes{${OURS}}`, '{{instance}} {{place}}'],
        ],
      },
      {
        title: 'Memory by holder',
        description: 'Who holds it.',
        kind: 'timeseries',
        unit: 'bytes',
        queries: [[`sum by (holder) (millrace_memory_held_bytes{${OURS}}) > 0`, '{{holder}}']],
      },
      {
        title: 'Waiting for memory',
        description: 'By place. Where it stays above 0, raise MILLRACE_MEMORY_MB or add workers.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [`max by (installation, instance, place) (millrace_memory_waiting{${OURS}})`, '{{instance}} {{place}}'],
        ],
      },
      {
        title: 'Services reached',
        description: '0: the worker does not reach it; its /readyz says why.',
        kind: 'timeseries',
        unit: 'short',
        queries: [[`min by (instance, service) (millrace_service_reachable{${OURS}})`, '{{instance}} {{service}}']],
      },
      {
        title: 'Slots of activities',
        description: 'Free ones, by task queue. At 0 what is started next waits.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (task_queue) (temporal_worker_task_slots_available{${OURS}, worker_type="ActivityWorker"})`,
            '{{task_queue}}',
          ],
        ],
      },
      {
        title: 'Waiting for a worker',
        description: '95th percentile of the time until a worker takes an activity or a task of a workflow.',
        kind: 'timeseries',
        unit: 'ms',
        queries: (['activity', 'workflow_task'] as const).map((kind) => [
          `histogram_quantile(0.95, sum by (le, task_queue) (rate(temporal_${kind}_schedule_to_start_latency_bucket{${OURS}}[5m])))`,
          `{{task_queue}} ${kind.replace('_', ' ')}`,
        ]),
      },
      {
        title: 'Failed tasks of workflows',
        description: 'Code and history do not fit, or the code threw.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (workflow_type, failure_reason) (increase(temporal_workflow_task_execution_failed{${OURS}}[5m]))`,
            '{{workflow_type}} {{failure_reason}}',
          ],
        ],
        width: 12,
      },
      {
        title: 'Failed calls of Temporal',
        description: 'By operation and status.',
        kind: 'timeseries',
        unit: 'short',
        queries: [
          [
            `sum by (operation, status_code) (increase(temporal_request_failure{${OURS}}[5m]))`,
            '{{operation}} {{status_code}}',
          ],
        ],
        width: 12,
      },
    ],
  ],
];
