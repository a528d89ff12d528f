import type { Gauge, Registry } from 'prom-client';
import type { AlertFigures } from '../engine/alerts/alert-figures.ts';
import type { WebhookFigures } from '../engine/alerts/webhook-store.ts';
import { isRetired } from '../engine/define/semantics.ts';
import type { MonitorSize } from '../engine/monitors/monitor-sizes.ts';
import type { allPairs } from '../engine/pairs/pairs-status.ts';
import type { outboxTopics } from '../engine/postgres/outbox.ts';
import type { ModelFigures } from '../engine/models/model-figures.ts';
import type { KeptSize } from '../engine/postgres/kept-sizes.ts';
import type { Rollout } from '../engine/postgres/rollouts.ts';
import { LOST_COMMIT, type StoredAudit } from '../engine/postgres/parity-audits.ts';
import type { ArchiveProgress } from '../engine/postgres/archive-progress.ts';
import { gaugeOf } from './registered-metrics.ts';
import type { ViewProgress } from '../engine/postgres/view-progress.ts';

/** What the catalog says of the views at a scrape. */
export interface ScrapedViews {
  readonly progress: readonly ViewProgress[];
  /** The newest of each view. */
  readonly audits: readonly StoredAudit[];
  readonly kept: readonly KeptSize[];
  readonly archives: readonly ArchiveProgress[];
  readonly models: readonly ModelFigures[];
  /** The open ones. */
  readonly rollouts: readonly Rollout[];
  readonly outbox: Awaited<ReturnType<typeof outboxTopics>>;
  readonly pairs: Awaited<ReturnType<typeof allPairs>>;
  /** One, where the database has alerts. */
  readonly alerts: readonly AlertFigures[];
  readonly webhooks: readonly WebhookFigures[];
  readonly monitors: readonly MonitorSize[];
}

/** What the catalog knows of views and archives, as gauges. */
export class CatalogGauges {
  readonly #all: ReturnType<typeof gaugesOf>;

  constructor(registry: Registry) {
    this.#all = gaugesOf(registry);
  }

  /** Shows what a scrape found, and nothing that an earlier one did; null: the database did not answer. */
  show(found: ScrapedViews | null, nowUs: number): void {
    const all = this.#all;
    for (const gauge of Object.values<Gauge>(all)) gauge.reset();
    all.databaseUp.set(found === null ? 0 : 1);
    const secondsSince = (us: number): number => Math.max(0, nowUs - us) / 1_000_000;
    for (const progress of found?.progress ?? []) {
      const { view, lag, watermarkUs, committedAtUs, mostlyInvalid, semantics, counts, expiredRows } = progress;
      all.expired.set({ view }, expiredRows);
      all.mostlyInvalid.set({ view }, mostlyInvalid);
      all.upgrading.set({ view }, isRetired(semantics) ? 1 : 0);
      if (lag !== null) all.lag.set({ view }, lag);
      if (watermarkUs !== null) all.freshness.set({ view }, secondsSince(watermarkUs));
      if (committedAtUs !== null) all.commitAge.set({ view }, secondsSince(committedAtUs));
      for (const [outcome, records] of Object.entries(counts)) all.records.set({ view, outcome }, records);
    }
    for (const { view, cellsCompared, cellsDiffering, skipped, finishedAtUs } of found?.audits ?? []) {
      all.cells.set({ view }, cellsCompared);
      all.differing.set({ view }, cellsDiffering);
      all.lostReads.set({ view }, skipped[LOST_COMMIT] ?? 0);
      all.auditAge.set({ view }, secondsSince(finishedAtUs));
    }
    for (const { view, kind, rows, bytes, droppedRows } of found?.kept ?? []) {
      all.kept.inc({ view, kind }, bytes);
      all.dropped.inc({ view, kind }, droppedRows);
      if (kind === 'dead-letters') all.deadLetters.inc({ view }, rows + droppedRows);
    }
    for (const { source, lag, holes, lost, updatedAtUs } of found?.archives ?? []) {
      all.archiveLag.set({ source }, lag);
      all.archiveHoles.set({ source }, holes);
      all.archiveLost.set({ source }, lost);
      all.archiveAge.set({ source }, secondsSince(updatedAtUs));
    }
    for (const { topic, rows, sent, oldestAgeS } of found?.outbox ?? []) {
      all.outbox.set({ topic }, rows);
      all.outboxSent.set({ topic }, sent);
      all.outboxOldest.set({ topic }, oldestAgeS ?? 0);
    }
    for (const { labelSet: label_set, figures } of found?.pairs ?? []) {
      all.pairs.set({ label_set }, figures.pairs);
      all.pairsTooLarge.set({ label_set }, figures.tooLarge);
      for (const side of ['decisions', 'outcomes'] as const) {
        all.pairsLag.set({ label_set, side }, figures.lag[side]);
        all.pairsHeld.set({ label_set, side }, figures.held[side]);
        all.pairsUnpaired.set({ label_set, side }, figures.unpaired[side]);
        all.pairsLate.set({ label_set, side }, figures.late[side]);
      }
    }
    for (const { webhook, failures, waiting, givenUp } of found?.webhooks ?? []) {
      all.webhookFailures.set({ webhook }, failures);
      all.webhookWaiting.set({ webhook }, waiting);
      all.webhookGivenUp.set({ webhook }, givenUp);
    }
    for (const { open, evaluatedAgeS } of found?.alerts ?? []) {
      if (evaluatedAgeS !== null) all.evaluatedAge.set(evaluatedAgeS);
      for (const { kind, place, silenced, alerts } of open)
        all.alerts.set({ kind, place, silenced: `${silenced}` }, alerts);
    }
    for (const { source, bytes, budgetBytes, hasDropped } of found?.monitors ?? []) {
      all.monitorBytes.set({ source }, bytes);
      all.monitorBudget.set({ source }, budgetBytes);
      all.monitorDropped.set({ source }, hasDropped ? 1 : 0);
    }
    for (const { model, versions, aliases } of found?.models ?? []) {
      all.modelVersions.set({ model }, versions);
      for (const { alias, publishedAtUs, changedFeatures } of aliases) {
        all.modelAge.set({ model, alias }, secondsSince(publishedAtUs));
        all.modelChanged.set({ model, alias }, changedFeatures);
      }
    }
    for (const { model, revision, stage, variants, leaseLeftMs } of found?.rollouts ?? []) {
      all.rolloutRevision.set({ model }, revision);
      all.rolloutStage.set({ model }, stage);
      all.rolloutLease.set({ model }, leaseLeftMs / 1000);
      for (const { variant, share } of variants) all.rolloutShare.set({ model, variant }, share);
    }
  }
}

function gaugesOf(registry: Registry) {
  return {
    databaseUp: gaugeOf(registry, 'millrace_database_up'),
    freshness: gaugeOf(registry, 'millrace_view_freshness_seconds'),
    lag: gaugeOf(registry, 'millrace_view_lag_records'),
    commitAge: gaugeOf(registry, 'millrace_view_commit_age_seconds'),
    records: gaugeOf(registry, 'millrace_view_records'),
    deadLetters: gaugeOf(registry, 'millrace_view_dead_letters'),
    mostlyInvalid: gaugeOf(registry, 'millrace_view_mostly_invalid_partitions'),
    upgrading: gaugeOf(registry, 'millrace_view_upgrading'),
    kept: gaugeOf(registry, 'millrace_view_kept_bytes'),
    expired: gaugeOf(registry, 'millrace_view_expired_rows'),
    dropped: gaugeOf(registry, 'millrace_view_dropped_rows'),
    cells: gaugeOf(registry, 'millrace_parity_cells_compared'),
    differing: gaugeOf(registry, 'millrace_parity_cells_differing'),
    lostReads: gaugeOf(registry, 'millrace_parity_lost_reads'),
    auditAge: gaugeOf(registry, 'millrace_parity_audit_age_seconds'),
    archiveLag: gaugeOf(registry, 'millrace_archive_lag_records'),
    archiveHoles: gaugeOf(registry, 'millrace_archive_holes'),
    archiveLost: gaugeOf(registry, 'millrace_archive_lost_offsets'),
    archiveAge: gaugeOf(registry, 'millrace_archive_age_seconds'),
    outbox: gaugeOf(registry, 'millrace_outbox_records'),
    outboxSent: gaugeOf(registry, 'millrace_outbox_sent_records'),
    outboxOldest: gaugeOf(registry, 'millrace_outbox_oldest_seconds'),
    pairs: gaugeOf(registry, 'millrace_pairs_made'),
    pairsTooLarge: gaugeOf(registry, 'millrace_pairs_too_large'),
    pairsLag: gaugeOf(registry, 'millrace_pairs_lag_records'),
    pairsHeld: gaugeOf(registry, 'millrace_pairs_held_records'),
    pairsUnpaired: gaugeOf(registry, 'millrace_pairs_unpaired_records'),
    pairsLate: gaugeOf(registry, 'millrace_pairs_late_records'),
    alerts: gaugeOf(registry, 'millrace_alerts_open'),
    webhookFailures: gaugeOf(registry, 'millrace_alert_webhook_failures'),
    webhookWaiting: gaugeOf(registry, 'millrace_alert_webhook_waiting'),
    webhookGivenUp: gaugeOf(registry, 'millrace_alert_webhook_given_up'),
    evaluatedAge: gaugeOf(registry, 'millrace_monitors_evaluated_age_seconds'),
    monitorBytes: gaugeOf(registry, 'millrace_monitor_bytes'),
    monitorBudget: gaugeOf(registry, 'millrace_monitor_budget_bytes'),
    monitorDropped: gaugeOf(registry, 'millrace_monitor_sketches_dropped'),
    modelVersions: gaugeOf(registry, 'millrace_model_versions'),
    modelAge: gaugeOf(registry, 'millrace_model_age_seconds'),
    modelChanged: gaugeOf(registry, 'millrace_model_changed_features'),
    rolloutRevision: gaugeOf(registry, 'millrace_rollout_revision'),
    rolloutStage: gaugeOf(registry, 'millrace_rollout_stage'),
    rolloutShare: gaugeOf(registry, 'millrace_rollout_share'),
    rolloutLease: gaugeOf(registry, 'millrace_rollout_lease_seconds'),
  };
}
