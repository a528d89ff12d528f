import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabelScalar } from '../../engine/define/label-set.ts';
import type { LabelCounts } from '../../engine/evaluation/evaluation-report.ts';
import { evaluateModel, type EvaluationOptions } from '../../engine/evaluation/evaluate-model.ts';
import type { EvaluationReport } from '../../engine/evaluation/evaluation-report.ts';
import type { LabelledDecision } from '../../engine/evaluation/held-decision.ts';
import type { Label } from '../../engine/evidence/label-rule.ts';

export const DAY_US = 86_400_000_000;
export const FROM_US = Date.UTC(2001, 5, 1) * 1000;
export const UNTIL_US = FROM_US + 30 * DAY_US;

/** What of a decision matters to a test. */
export interface Told {
  readonly id: string;
  readonly version?: number | undefined;
  readonly model?: string | null | undefined;
  readonly shadowOf?: string | undefined;
  readonly unit?: string | null | undefined;
  readonly action?: string | undefined;
  readonly score?: number | null | undefined;
  readonly propensity?: number | null | undefined;
  readonly alternatives?: readonly { readonly action: string; readonly propensity: number | null }[] | undefined;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  readonly variant?: string | undefined;
  readonly error?: string | undefined;
  readonly timeUs?: number | undefined;
  /** `undefined`: not mature; `'nothing'`: left out. */
  readonly label?: LabelScalar | null | undefined;
  readonly kind?: 'immature' | 'left-out' | undefined;
}

/** A decision as the scan of a label set gives it. */
export function told(of: Told): LabelledDecision {
  const timeUs = of.timeUs ?? FROM_US + DAY_US;
  const label: Label<LabelScalar> =
    of.kind === 'immature'
      ? { kind: 'immature' }
      : of.kind === 'left-out'
        ? { kind: 'left-out', afterMaturity: 0 }
        : { kind: 'label', value: (of.label ?? null) as LabelScalar & null, outcomes: 1, afterMaturity: 0 };
  return {
    id: of.id,
    timeUs,
    label,
    row: {
      decision_id: of.id,
      decided_at: timeUs,
      request_ids: [],
      reads: [],
      service: null,
      model: of.model === undefined ? 'late' : of.model,
      model_version: of.model === null ? null : (of.version ?? 1),
      rollout: null,
      revision: null,
      stage: null,
      variant: of.variant ?? null,
      unit: of.unit ?? null,
      assignment_propensity: null,
      acted: of.shadowOf === undefined,
      shadow_of: of.shadowOf ?? null,
      action: of.action ?? 'decide',
      score: of.score ?? null,
      propensity: of.propensity ?? null,
      alternatives: (of.alternatives ?? []).map((one) => ({ score: null, ...one })),
      more_alternatives: 0,
      latency_ms: null,
      error: of.error ?? null,
      context: of.context ?? {},
    },
  };
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-evaluation-'));

/** Evaluates decisions that are at hand; by default version 1 of `late`. */
export async function evaluated(
  decisions: readonly LabelledDecision[],
  ask: Partial<EvaluationOptions> = {},
): Promise<EvaluationReport> {
  return await evaluateModel({
    model: { model: 'late', version: 1 },
    labels: 'late_labels',
    fromUs: FROM_US,
    untilUs: UNTIL_US,
    duckdb: { memoryMb: 128, tempDir: folder },
    spillDir: folder,
    openScan: async (where) => {
      const kept = decisions.filter(({ row }) => where(row));
      const of = (kind: Label<LabelScalar>['kind']): number => kept.filter(({ label }) => label.kind === kind).length;
      const counts: LabelCounts = {
        decisions: kept.length,
        mature: kept.length - of('immature'),
        immature: of('immature'),
        leftOut: of('left-out'),
        labelled: of('label'),
        afterMaturity: 0,
        duplicates: 0,
        invalid: 0,
      };
      return {
        asOfUs: UNTIL_US + 3 * DAY_US,
        counts,
        async *[Symbol.asyncIterator]() {
          for (let at = 0; at < kept.length; at += 100) yield kept.slice(at, at + 100);
        },
      };
    },
    ...ask,
  });
}
