import type { Client } from '@temporalio/client';
import type { MetricMeter } from '@temporalio/common';
import type pg from 'pg';
import { installationOfQueue } from '../engine/installation/installation-names.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import { liveIdentities } from '../engine/postgres/view-versions.ts';
import type { ArchivePhase } from '../workflows/archive-source/contract.ts';
import type { Phase } from '../workflows/feature-lifecycle/contract.ts';
import type { PairsPhase } from '../workflows/join-pairs/contract.ts';
import type { RolloutPhase } from '../workflows/model-rollout/contract.ts';
import {
  ARCHIVE_PHASE,
  ARCHIVE_SOURCE,
  FEATURE_PHASE,
  PAIRS,
  ROLLOUT_MODEL,
  ROLLOUT_PHASE,
} from '../workflows/search-attributes.ts';
import { gaugeOn, OneOfGauge } from './worker-metrics.ts';

/** Started, and has not said yet. */
const FIRST_OF_VIEW: Phase = 'validating';
const FIRST_OF_ARCHIVE: ArchivePhase = 'starting';
const FIRST_OF_ROLLOUT: RolloutPhase = 'starting';
const FIRST_OF_PAIRS: PairsPhase = 'starting';
/** Of which phases are told. */
const TYPES = ['featureLifecycle', 'archiveSource', 'modelRollout', 'joinPairs'] as const;
const NO_LIFECYCLE = 'no-lifecycle';

export interface PhaseGaugesOptions {
  readonly client: Client;
  readonly pool: pg.Pool;
  readonly meter: MetricMeter;
}

/**
 * The phases of all lifecycles, archives, rollouts and joiners, as metrics of this worker: one question of Temporal's list a look, whoever runs them. A gauge set
 * by the workflow itself would stay behind in the worker it has left.
 */
export class PhaseGauges {
  readonly #options: PhaseGaugesOptions;
  readonly #views: OneOfGauge;
  readonly #archives: OneOfGauge;
  readonly #rollouts: OneOfGauge;
  readonly #pairs: OneOfGauge;

  constructor(options: PhaseGaugesOptions) {
    this.#options = options;
    this.#views = new OneOfGauge(gaugeOn(options.meter, 'millrace_view_phase'));
    this.#archives = new OneOfGauge(gaugeOn(options.meter, 'millrace_archive_phase'));
    this.#rollouts = new OneOfGauge(gaugeOn(options.meter, 'millrace_rollout_phase'));
    this.#pairs = new OneOfGauge(gaugeOn(options.meter, 'millrace_pairs_phase'));
  }

  /** One look at the list, shown. */
  async look(): Promise<void> {
    const { client, pool } = this.#options;
    const names = installationOf(pool);
    const views = new Map<string, string>();
    const rolling: { readonly model: string; readonly phase: string }[] = [];
    const joining: { readonly label_set: string; readonly phase: string }[] = [];
    const archives: { readonly source: string; readonly phase: string }[] = [];
    for await (const run of client.workflow.list({
      query: `(${TYPES.map((type) => `WorkflowType = '${type}'`).join(' OR ')}) AND ExecutionStatus = 'Running'`,
    })) {
      // Other installations may share the namespace.
      if (installationOfQueue(run.taskQueue).name !== names.name) continue;
      const { typedSearchAttributes: attributes } = run;
      const view = names.viewOfLifecycle(run.workflowId);
      const source = attributes.get(ARCHIVE_SOURCE)?.slice(names.searchValue('').length);
      const model = attributes.get(ROLLOUT_MODEL)?.slice(names.searchValue('').length);
      const labelSet = attributes.get(PAIRS)?.[0]?.slice(names.searchValue('').length);
      if (view !== null) views.set(view, attributes.get(FEATURE_PHASE) ?? FIRST_OF_VIEW);
      else if (source !== undefined)
        archives.push({ source, phase: attributes.get(ARCHIVE_PHASE) ?? FIRST_OF_ARCHIVE });
      else if (model !== undefined) rolling.push({ model, phase: attributes.get(ROLLOUT_PHASE) ?? FIRST_OF_ROLLOUT });
      else if (labelSet !== undefined)
        joining.push({ label_set: labelSet, phase: attributes.get(PAIRS)?.[1] ?? FIRST_OF_PAIRS });
    }
    for (const { view } of await liveIdentities(pool)) if (!views.has(view)) views.set(view, NO_LIFECYCLE);
    this.#views.show([...views].map(([view, phase]) => ({ view, phase })));
    this.#archives.show(archives);
    this.#rollouts.show(rolling);
    this.#pairs.show(joining);
  }
}
