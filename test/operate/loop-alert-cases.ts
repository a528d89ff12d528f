import type { AlertCase } from './alert-case.ts';

/** Those of what closes the loop: decisions, pairs, models, rollouts, trainings. */
export const LOOP_ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'MillraceDecisionsDropped',
    fires: [['millrace_decisions_dropped_total{source="d", reason="buffer-full"}', '0x10 7x60']],
    quiet: [
      ['millrace_decisions_dropped_total{source="d", reason="buffer-full"}', '7x60'],
      ['millrace_decisions_dropped_total{source="d", reason="invalid"}', '0x10 7x60'],
    ],
    at: '15m',
    labels: { source: 'd', reason: 'buffer-full' },
  },
  {
    alert: 'MillraceOutboxStuck',
    fires: [['millrace_outbox_oldest_seconds{topic="millrace.pairs.late"}', '600x20']],
    quiet: [['millrace_outbox_oldest_seconds{topic="millrace.pairs.late"}', '600x3 0x20']],
    at: '10m',
    labels: { topic: 'millrace.pairs.late' },
    value: '10m 0s',
  },
  {
    alert: 'MillracePairsLagging',
    fires: [['millrace_pairs_lag_records{label_set="late", side="outcomes"}', '200000+100x70']],
    quiet: [['millrace_pairs_lag_records{label_set="late", side="outcomes"}', '200000-100x70']],
    at: '1h',
    labels: { label_set: 'late', side: 'outcomes' },
    value: '206000',
  },
  {
    alert: 'MillraceModelStranded',
    fires: [['millrace_model_changed_features{model="m",alias="champion"}', '2x60']],
    quiet: [
      ['millrace_model_changed_features{model="m",alias="champion"}', '0x60'],
      ['millrace_model_changed_features{model="m",alias="challenger"}', '2x60'],
    ],
    at: '20m',
    labels: { model: 'm' },
    value: '2',
  },
  {
    alert: 'MillraceRolloutReturned',
    fires: [['millrace_rollouts_ended_total{model="m",how="returned",by="guardrail"}', '0x10 1x50']],
    quiet: [['millrace_rollouts_ended_total{model="m",how="returned",by="person"}', '0x10 1x50']],
    at: '15m',
    labels: { model: 'm' },
  },
  {
    alert: 'MillraceRolloutStuck',
    fires: [['millrace_rollout_phase{model="m", phase="blocked"}', '1x30']],
    quiet: [['millrace_rollout_phase{model="m", phase="approval"}', '1x30']],
    at: '16m',
    labels: { model: 'm', phase: 'blocked' },
  },
  {
    alert: 'MillraceModelFilesRefused',
    fires: [['millrace_model_files_refused_total{model="m",code="model-lost"}', '0x10 1x50']],
    quiet: [['millrace_model_files_refused_total{model="m",code="model-lost"}', '3x60']],
    at: '15m',
    labels: { model: 'm', code: 'model-lost' },
  },
  {
    alert: 'MillraceRolloutUnwatched',
    fires: [['millrace_rollout_lease_seconds{model="m"}', '60-60x60']],
    quiet: [['millrace_rollout_lease_seconds{model="m"}', '120x60']],
    at: '5m',
    labels: { model: 'm' },
  },
  {
    alert: 'MillraceRolloutFallbacks',
    fires: [['millrace_rollout_fallbacks_total{model="m",reason="not-held"}', '0x10 1x50']],
    quiet: [
      ['millrace_rollout_fallbacks_total{model="m",reason="not-held"}', '3x60'],
      ['millrace_rollout_fallbacks_total{model="m",reason="lease-lapsed"}', '0+1x60'],
    ],
    at: '15m',
    labels: { model: 'm', reason: 'not-held' },
  },
  {
    alert: 'MillraceTrainingFailing',
    fires: [['millrace_training_failures{model="m"}', '0x10 2x50']],
    quiet: [['millrace_training_failures{model="m"}', '1x60']],
    at: '15m',
    labels: { model: 'm' },
    value: '2',
  },
  {
    alert: 'MillraceTrainingOverdue',
    fires: [
      ['millrace_training_age_seconds{model="m"}', '0+60x300'],
      ['millrace_training_interval_seconds{model="m"}', '3600x300'],
    ],
    quiet: [
      ['millrace_training_age_seconds{model="m"}', '0+60x300'],
      ['millrace_training_interval_seconds{model="m"}', '0x300'],
    ],
    at: '160m',
    labels: { model: 'm' },
    value: '2h 40m 0s',
  },
  {
    alert: 'MillraceMonitorAlerts',
    fires: [['millrace_alerts_open{kind="coverage", place="producer", silenced="false"}', '1x20']],
    quiet: [['millrace_alerts_open{kind="coverage", place="producer", silenced="true"}', '1x20']],
    at: '5m',
    labels: { kind: 'coverage', place: 'producer' },
    value: '1',
  },
  {
    alert: 'MillraceMonitorsStopped',
    fires: [['millrace_monitors_evaluated_age_seconds', '10800x20']],
    quiet: [['millrace_monitors_evaluated_age_seconds', '3600x20']],
    at: '15m',
    labels: {},
    value: '3h 0m 0s',
  },
];
