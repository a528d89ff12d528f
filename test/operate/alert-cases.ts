import type { AlertCase } from './alert-case.ts';
import { LOOP_ALERT_CASES } from './loop-alert-cases.ts';

const REACHED = 'millrace_service_reachable{instance="w1", service="kafka"}';
const FEATURES = 'route="/v1/features"';
const STREAM = 'workflow_id="feature:v", activity_type="runStreamSlice"';

const phase = (phase: string): string => `millrace_view_phase{view="v", phase="${phase}", instance="w1"}`;

/** At least one for each alert. */
export const ALERT_CASES: readonly AlertCase[] = [
  { alert: 'MillraceNoWorker', fires: [], quiet: [[REACHED, '0x20']], at: '6m', labels: {} },
  {
    alert: 'MillraceServiceUnreachable',
    fires: [
      [REACHED, '0x20'],
      ['millrace_service_reachable{instance="w1", service="postgres"}', '1x20'],
    ],
    quiet: [[REACHED, '0x3 1x20']],
    at: '6m',
    labels: { instance: 'w1', service: 'kafka' },
  },
  {
    alert: 'MillraceCatalogUnreachable',
    fires: [['millrace_database_up{instance="a1"}', '0x9']],
    quiet: [['millrace_database_up{instance="a1"}', '1x9']],
    at: '3m',
    labels: { instance: 'a1' },
  },
  {
    alert: 'MillraceApiErrors',
    fires: [
      [`millrace_http_requests_total{${FEATURES}, status="200"}`, '0+90x30'],
      [`millrace_http_requests_total{${FEATURES}, status="503"}`, '0+10x30'],
    ],
    quiet: [
      [`millrace_http_requests_total{${FEATURES}, status="200"}`, '0+90x30'],
      [`millrace_http_requests_total{${FEATURES}, status="400"}`, '0+10x30'],
      [`millrace_http_requests_total{${FEATURES}, status="503"}`, '0x30'],
    ],
    at: '15m',
    labels: {},
    value: '10%',
  },
  {
    alert: 'MillraceApiSlow',
    fires: [
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="0.25"}`, '0x40'],
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="0.5"}`, '0+100x40'],
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="+Inf"}`, '0+100x40'],
    ],
    quiet: [
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="0.25"}`, '0+100x40'],
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="0.5"}`, '0+100x40'],
      [`millrace_http_request_seconds_bucket{${FEATURES}, le="+Inf"}`, '0+100x40'],
    ],
    at: '20m',
    labels: {},
    value: '497.5ms',
  },
  {
    alert: 'MillraceMemoryWaiting',
    fires: [['millrace_memory_waiting{instance="w1", place="memory"}', '2x90']],
    quiet: [['millrace_memory_waiting{instance="w1", place="memory"}', '2 2 2 2 0 2 2 2x83']],
    at: '51m',
    labels: { instance: 'w1', place: 'memory' },
    value: '2',
  },
  {
    alert: 'MillraceNoSlots',
    fires: [
      [
        'temporal_worker_task_slots_available{namespace="n", task_queue="q", worker_type="ActivityWorker", instance="w1"}',
        '0x60',
      ],
      [
        'temporal_worker_task_slots_available{namespace="n", task_queue="q", worker_type="ActivityWorker", instance="w2"}',
        '0x60',
      ],
    ],
    quiet: [
      [
        'temporal_worker_task_slots_available{namespace="n", task_queue="q", worker_type="ActivityWorker", instance="w1"}',
        '0x60',
      ],
      [
        'temporal_worker_task_slots_available{namespace="n", task_queue="q", worker_type="ActivityWorker", instance="w2"}',
        '1x60',
      ],
    ],
    at: '31m',
    labels: { namespace: 'n', task_queue: 'q' },
  },
  {
    alert: 'MillraceWorkflowTaskFailed',
    fires: [
      [
        'temporal_workflow_task_execution_failed{namespace="n", workflow_type="featureLifecycle", failure_reason="NonDeterminismError"}',
        '1+1x30',
      ],
    ],
    quiet: [
      [
        'temporal_workflow_task_execution_failed{namespace="n", workflow_type="featureLifecycle", failure_reason="NonDeterminismError"}',
        '3x30',
      ],
    ],
    at: '20m',
    labels: { namespace: 'n', workflow_type: 'featureLifecycle', failure_reason: 'NonDeterminismError' },
  },
  {
    alert: 'MillraceViewFailed',
    fires: [
      [phase('failed'), '1x9'],
      [phase('streaming'), '0x9'],
    ],
    quiet: [
      [phase('failed'), '0x9'],
      [phase('streaming'), '1x9'],
    ],
    at: '2m',
    labels: { view: 'v', phase: 'failed' },
  },
  {
    alert: 'MillraceViewWaiting',
    fires: [[phase('waiting'), '1x30']],
    quiet: [[phase('waiting'), '1x8 0x8 1x30']],
    at: '20m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceViewBuiltUnpublished',
    fires: [[phase('built'), '1x60']],
    quiet: [[phase('published'), '1x60']],
    at: '31m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceViewWithoutLifecycle',
    fires: [[phase('no-lifecycle'), '1x30']],
    quiet: [[phase('paused'), '1x30']],
    at: '16m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceViewLagging',
    fires: [['millrace_view_lag_records{view="v", instance="a1"}', '20000+10x60']],
    quiet: [['millrace_view_lag_records{view="v", instance="a1"}', '200000-1000x60']],
    at: '30m',
    labels: { view: 'v' },
    value: '20300',
  },
  {
    alert: 'MillraceViewStale',
    fires: [
      ['millrace_view_freshness_seconds{view="v"}', '7200x60'],
      ['millrace_view_lag_records{view="v"}', '5x60'],
    ],
    quiet: [
      ['millrace_view_freshness_seconds{view="v"}', '7200x60'],
      ['millrace_view_lag_records{view="v"}', '0x60'],
    ],
    at: '16m',
    labels: { view: 'v' },
    value: '2h 0m 0s',
  },
  {
    alert: 'MillraceViewUpgrading',
    fires: [['millrace_view_upgrading{view="v"}', '1x400']],
    quiet: [['millrace_view_upgrading{view="v"}', '1x200 0x200']],
    at: '361m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceMostlyInvalid',
    fires: [['millrace_view_mostly_invalid_partitions{view="v"}', '3x20']],
    quiet: [['millrace_view_mostly_invalid_partitions{view="v"}', '0x20']],
    at: '6m',
    labels: { view: 'v' },
    value: '3',
  },
  {
    alert: 'MillraceDeadLetters',
    fires: [['millrace_view_dead_letters{view="v"}', '0+20x60']],
    quiet: [['millrace_view_dead_letters{view="v"}', '5000+1x60']],
    at: '30m',
    labels: { view: 'v' },
    value: '300',
  },
  {
    alert: 'MillraceDeadLettersDropped',
    fires: [['millrace_view_dropped_rows{view="v", kind="dead-letters"}', '0x30 50x90']],
    quiet: [
      ['millrace_view_dropped_rows{view="v", kind="dead-letters"}', '50x120'],
      ['millrace_view_dropped_rows{view="v", kind="commits"}', '0x30 50x90'],
    ],
    at: '60m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceActivityFailures',
    fires: [
      ['millrace_activity_failures_total{view="v", activity_type="backfillView", code="spill-folder-full"}', '0+2x60'],
    ],
    quiet: [
      ['millrace_activity_failures_total{view="v", activity_type="backfillView", code="spill-folder-full"}', '90x60'],
    ],
    at: '30m',
    labels: { view: 'v', activity_type: 'backfillView', code: 'spill-folder-full' },
    value: '30',
  },
  {
    alert: 'MillraceActivityWaiting',
    fires: [[`millrace_activity_waiting_seconds{${STREAM}}`, '0+60x60']],
    quiet: [[`millrace_activity_waiting_seconds{${STREAM}}`, '0x60']],
    at: '20m',
    labels: { workflow_id: 'feature:v', activity_type: 'runStreamSlice' },
    value: '20m 0s',
  },
  {
    alert: 'MillraceParityBroken',
    fires: [['millrace_parity_cells_differing{view="v"}', '2x5']],
    quiet: [['millrace_parity_cells_differing{view="v"}', '0x5']],
    at: '1m',
    labels: { view: 'v' },
    value: '2',
  },
  {
    alert: 'MillraceParityUnaudited',
    fires: [['millrace_parity_audit_age_seconds{view="v"}', '777600x5']],
    quiet: [['millrace_parity_audit_age_seconds{view="v"}', '86400x5']],
    at: '1m',
    labels: { view: 'v' },
    value: '9d 0h 0m 0s',
  },
  {
    alert: 'MillraceCorruptState',
    fires: [['millrace_read_errors_total{view="v", code="state-corrupt"}', '_x90 1x10']],
    quiet: [
      ['millrace_read_errors_total{view="v", code="state-corrupt"}', '4x100'],
      ['millrace_read_errors_total{view="v", code="value-out-of-range"}', '0+1x100'],
    ],
    at: '95m',
    labels: { view: 'v' },
  },
  {
    alert: 'MillraceReadErrors',
    fires: [
      ['millrace_reads_total{view="v", found="true"}', '0+100x60'],
      ['millrace_read_errors_total{view="v", code="value-out-of-range"}', '0+5x60'],
    ],
    quiet: [
      ['millrace_reads_total{view="v", found="true"}', '0+1000x60'],
      ['millrace_read_errors_total{view="v", code="value-out-of-range"}', '0+5x60'],
    ],
    at: '40m',
    labels: { view: 'v' },
    value: '5%',
  },
  {
    alert: 'MillraceDerivedFailing',
    fires: [['millrace_derived_errors_total{service="m", code="derived-failed"}', '0+1x60']],
    quiet: [
      ['millrace_derived_errors_total{service="m", code="derived-failed"}', '7x60'],
      ['millrace_derived_errors_total{service="m", code="input-error"}', '0+1x60'],
    ],
    at: '40m',
    labels: { service: 'm' },
  },
  {
    alert: 'MillraceServedReadsDropped',
    fires: [['millrace_served_reads_dropped_total{reason="buffer-full"}', '0x10 7x60']],
    quiet: [['millrace_served_reads_dropped_total{reason="buffer-full"}', '7x60']],
    at: '15m',
    labels: { reason: 'buffer-full' },
  },
  {
    alert: 'MillraceArchiveHole',
    fires: [['millrace_archive_holes{source="s"}', '1x30 2x60']],
    quiet: [['millrace_archive_holes{source="s"}', '2x90']],
    at: '40m',
    labels: { source: 's' },
  },
  {
    alert: 'MillraceArchiveStopped',
    fires: [['millrace_archive_phase{source="s", phase="failed"}', '1x30']],
    quiet: [['millrace_archive_phase{source="s", phase="archiving"}', '1x30']],
    at: '16m',
    labels: { source: 's', phase: 'failed' },
  },
  {
    alert: 'MillraceArchiveLagging',
    fires: [['millrace_archive_lag_records{source="s"}', '200000+5x90']],
    quiet: [['millrace_archive_lag_records{source="s"}', '900000-5000x90']],
    at: '70m',
    labels: { source: 's' },
    value: '200350',
  },
  ...LOOP_ALERT_CASES,
];
