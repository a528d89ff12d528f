type Rights = { readonly worker?: string; readonly server?: string };

const KEEPS = 'SELECT, INSERT, UPDATE, DELETE';

/**
 * The matrix of rights: what each role may do with each table of the catalog. The owner may do everything, the reader nothing. A table that is not
 * here is a fault that a test finds.
 */
export const GRANTS: Readonly<Record<string, Rights>> = {
  // What is to be built: moved by who applies, the owner.
  view_desired: { worker: 'SELECT', server: 'SELECT' },
  service_version: { worker: 'SELECT', server: 'SELECT' },
  // Published by who trains, and put back where the topic lost them.
  model_version: { worker: KEEPS, server: 'SELECT' },
  model_baseline: { worker: KEEPS, server: 'SELECT' },
  model_alias: { worker: KEEPS, server: 'SELECT' },
  // Records on their way, and somebody's.
  outbox: { worker: KEEPS, server: 'SELECT (topic, seq, written_at)' },
  outbox_topic: { worker: KEEPS, server: 'SELECT' },
  pair_join: { worker: KEEPS, server: 'SELECT' },
  pair_offset: { worker: KEEPS, server: 'SELECT' },
  pair_held: { worker: KEEPS },
  // Moved by whoever steers and watches; servers tell their callers of them.
  rollout: { worker: KEEPS, server: 'SELECT' },
  rollout_revision: { worker: 'SELECT, INSERT', server: 'SELECT' },
  rollout_evidence: { worker: KEEPS, server: 'SELECT' },
  rollout_look: { worker: KEEPS, server: 'SELECT' },
  rollout_seen: { worker: KEEPS, server: 'SELECT' },
  rollout_breach: { worker: 'SELECT, INSERT', server: 'SELECT' },
  // Its rows are code that runs: the owner alone adds any.
  view_bundle: { worker: 'SELECT', server: 'SELECT' },
  view_version: { worker: KEEPS, server: 'SELECT' },
  stream_offset: { worker: KEEPS, server: 'SELECT' },
  view_hour: { worker: KEEPS, server: 'SELECT' },
  commit_record: { worker: KEEPS },
  commit_file: { worker: KEEPS },
  commit_merge: { worker: KEEPS },
  kept_size: { worker: KEEPS, server: 'SELECT' },
  // Payloads are somebody's records.
  dead_letter: { worker: KEEPS },
  dedupe_ids: { worker: KEEPS },
  backfill_progress: { worker: KEEPS },
  backfill_ids: { worker: KEEPS },
  history_listing: { worker: KEEPS },
  accepted_invalid: { worker: KEEPS },
  archive_source: { worker: KEEPS, server: 'SELECT' },
  archive_offset: { worker: KEEPS, server: 'SELECT' },
  archive_file: { worker: KEEPS, server: 'SELECT' },
  archive_range: { worker: KEEPS, server: 'SELECT' },
  archive_hole: { worker: KEEPS, server: 'SELECT' },
  // Up to when labels were told: whoever exports or watches them.
  label_time: { worker: KEEPS },
  // Written by archivers and by whoever computes the past; looked at by all.
  monitor_bucket: { worker: KEEPS, server: 'SELECT' },
  monitor_source: { worker: KEEPS, server: 'SELECT' },
  monitor_part: { worker: KEEPS },
  monitor_state: { worker: KEEPS },
  // Evaluated by workers; people acknowledge and silence by whichever surface.
  monitor_progress: { worker: KEEPS, server: 'SELECT' },
  monitor_series: { worker: KEEPS },
  monitor_slot: { worker: KEEPS },
  alert: { worker: KEEPS, server: 'SELECT' },
  alert_acknowledgement: { worker: KEEPS, server: 'SELECT, INSERT, UPDATE' },
  alert_notice: { worker: KEEPS, server: 'SELECT' },
  alert_webhook: { worker: KEEPS, server: 'SELECT' },
  alert_silence: { worker: KEEPS, server: 'SELECT, INSERT, UPDATE' },
  parity_audit: { worker: KEEPS, server: 'SELECT' },
  parity_difference: { worker: KEEPS },
  // Who did what: added to, and never changed.
  audit_event: { worker: 'SELECT, INSERT', server: 'SELECT' },
  // Who may run on the database that a later release migrated.
  migration_note: { worker: 'SELECT', server: 'SELECT' },
  api_token: { server: 'SELECT, UPDATE (last_used_at)' },
};

/** What migrations wrote down of themselves: workers and servers look whether all have run, and which they do not know. */
export const PRIVATE_TABLES: readonly string[] = ['kysely_migration', 'kysely_later_migration'];
