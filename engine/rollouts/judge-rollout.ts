import type pg from 'pg';
import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { Row } from '../define/compiled-view.ts';
import type { Label } from '../evidence/label-rule.ts';
import type { LabelCounts, LabelProgress } from '../labels/label-scan.ts';
import { openLabelScan } from '../labels/scan-labels.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { putLook, rolloutSeen } from '../postgres/rollout-evidence.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import { DecisionLosses, type StageLosses } from './decision-losses.ts';
import { UnitFold } from './fold-units.ts';
import { judge } from './judge.ts';
import type { Judgement } from './judgement.ts';
import { measured } from './measured.ts';
import type { ObservedDecision } from './observed-decision.ts';
import type { RolloutRule } from './rollout-rule.ts';
import { segmentsOf } from './segments-of.ts';

export interface JudgeRolloutOptions {
  readonly pool: pg.Pool;
  /** As `openLabelScan` takes it. */
  readonly reader: LogReader;
  readonly labels: CompiledLabelSet;
  readonly rollout: string;
  /** The present one. */
  readonly stage: number;
  readonly rule: RolloutRule;
  readonly clock: Clock;
  readonly spillDir: string;
  readonly memory?: MemoryBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly onProgress?: ((progress: LabelProgress) => void) | undefined;
}

const IMMATURE: Label<number> = { kind: 'immature' };
const NO_LABELS: Pick<LabelCounts, 'decisions' | 'mature' | 'immature'> = { decisions: 0, mature: 0, immature: 0 };

/**
 * Looks at the evidence of a rollout: its decisions and their labels, from the log, all of them each time. So what is kept of it is a function of the log,
 * whoever looked before; what a look costs is in docs/adr/0029-evidence-of-a-rollout.md. Throws what `openLabelScan` does.
 */
export async function judgeRollout(options: JudgeRolloutOptions): Promise<Judgement> {
  const { pool, labels, rollout, stage, rule, clock } = options;
  const startMs = clock.monotonicMs();
  const seen = await rolloutSeen(pool, rollout);
  const fold = new UnitFold(rule);
  // Of a rollout that nothing was seen of nothing is looked for.
  const found = seen === null ? null : await takeDecisions(options, seen.firstDecidedUs, fold);
  const asOfUs = found?.asOfUs ?? Number.NEGATIVE_INFINITY;
  const { sums, stages } = fold.evidence(asOfUs);
  const evidence = { sums, stages: stages.map((one) => ({ ...one, losses: found?.lossesOf(one.stage) })) };
  const judged = judge({
    rule,
    stage,
    evidence,
    asOfUs,
    labels: found?.labels ?? NO_LABELS,
    matureAfterUs: labels.matureAfterUs,
  });
  const judgement: Judgement = {
    ...judged,
    evaluatedAtMs: Math.round(clock.nowUs() / 1000),
    tookMs: Math.round(clock.monotonicMs() - startMs),
  };
  await putLook(pool, rollout, { cells: evidence.sums.cells(), rule, judgement });
  return judgement;
}

/** Hands the rollout's decisions to the fold, with their labels as far as they are mature. */
async function takeDecisions(
  { pool, reader, labels, rollout, rule, clock, spillDir, memory, signal, onWait, onProgress }: JudgeRolloutOptions,
  fromUs: number,
  fold: UnitFold,
): Promise<{
  readonly asOfUs: number;
  readonly labels: Judgement['labels'];
  readonly lossesOf: (stage: number) => StageLosses;
}> {
  const losses = new DecisionLosses();
  const decisions = new Map<string, ObservedDecision>();
  const { eventTimeField } = labels.decisions;
  const scan = await openLabelScan({
    labels,
    reader,
    pool,
    clock,
    spillDir,
    fromUs,
    untilUs: Number.MAX_SAFE_INTEGER,
    where: (row) => {
      if (row['rollout'] !== rollout || row['stage'] == null || row['variant'] == null) return false;
      const id = row['decision_id'] as string;
      losses.take(row);
      // A scan gives the mature ones alone: the others show who was exposed.
      if (!decisions.has(id)) decisions.set(id, observed(row, row[eventTimeField] as number, rule));
      return true;
    },
    memory,
    signal,
    onWait,
    onProgress,
  });
  for await (const batch of scan)
    for (const { id, timeUs, row, label } of batch)
      decisions.set(id, {
        ...observed(row, timeUs, rule),
        label: measured(rule.metric.measure, (row['score'] ?? null) as number | null, label),
      });
  for (const decision of decisions.values()) fold.take(decision);
  const { decisions: all, mature, immature } = scan.counts;
  return {
    asOfUs: scan.asOfUs,
    labels: { decisions: all, mature, immature },
    lossesOf: (stage) => losses.of(stage, decisions.values()),
  };
}

/** As it is before its label is known. */
function observed(row: Row, timeUs: number, { segments, metric }: RolloutRule): ObservedDecision {
  return {
    id: row['decision_id'] as string,
    shadowOf: (row['shadow_of'] ?? null) as string | null,
    timeUs,
    stage: row['stage'] as number,
    revision: (row['revision'] ?? 0) as number,
    variant: row['variant'] as string,
    unit: (row['unit'] ?? null) as string | null,
    label: measured(metric.measure, (row['score'] ?? null) as number | null, IMMATURE),
    segments: segmentsOf(row['context'] as Row, segments),
    chance: (row['assignment_propensity'] ?? null) as number | null,
  };
}
