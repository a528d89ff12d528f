import type { LabelScalar } from '../define/label-set.ts';
import { hashFraction } from '../evidence/hash-fraction.ts';
import { compareUtf8 } from '../values/compare.ts';
import { type EvaluationAsk, isSameModel, type ModelNamed, modelText } from './evaluation-ask.ts';
import { evaluationTooLarge } from './evaluation-faults.ts';
import type { LabelCounts } from './evaluation-report.ts';
import { type HeldDecision, heldDecision, type LabelledDecision, modelOf } from './held-decision.ts';
import { segmentReader } from './segments.ts';

/** So many decisions are held at most, about 0.5 kB each. */
const MOST_DECISIONS = 500_000;
/** Told of a sample: the same units in every run, and others than an assignment's. */
const SAMPLE_SALT = 'millrace evaluate sample';

type Row = Readonly<Record<string, unknown>>;

/** Decisions with their labels, in batches, as `openLabelScan` gives them. */
export interface LabelledScan extends AsyncIterable<readonly LabelledDecision[]> {
  /** UTC epoch µs. */
  readonly asOfUs: number;
  /** Final once it has ended. */
  readonly counts: LabelCounts;
}

/** What of the log an evaluation is about. */
export interface CollectedDecisions {
  /** With labels, each once, in the order of the bytes of their ids. */
  readonly held: readonly HeldDecision[];
  readonly withoutLabel: number;
  /** `late@7` to how many decisions it took, with labels or without. */
  readonly deciders: ReadonlyMap<string, number>;
  /** Those of them that decided in shadow. */
  readonly shadows: ReadonlySet<string>;
  /** All decisions of these days, of whatever model. */
  readonly seen: number;
  readonly counts: LabelCounts;
  readonly asOfUs: number;
}

/** Opens the scan of decisions for which `where` says yes. */
export type OpenScan = (where: (row: Row) => boolean) => Promise<LabelledScan>;

/** Reads the decisions that are asked about. Throws MillraceError `evaluation-too-large`, `unknown-segment`; what the scan throws. */
export async function collectDecisions(
  ask: EvaluationAsk,
  openScan: OpenScan,
  {
    signal,
    onProgress,
  }: { readonly signal: AbortSignal; readonly onProgress?: ((decisions: number) => void) | undefined },
): Promise<CollectedDecisions> {
  const deciders = new Map<string, number>();
  const shadows = new Set<string>();
  let seen = 0;
  const isAsked = askedOf(ask);
  const scan = await openScan((row) => {
    seen++;
    const by = modelOf(row);
    if (by === null) return false;
    const name = modelText(by);
    deciders.set(name, (deciders.get(name) ?? 0) + 1);
    if (row['acted'] === false) shadows.add(name);
    return isAsked(by, row);
  });
  const segmentOf = segmentReader(ask.segments ?? []);
  const held = new Map<string, HeldDecision>();
  let withoutLabel = 0;
  for await (const batch of scan) {
    signal.throwIfAborted();
    for (const decision of batch) {
      if (!hasLabel(decision)) {
        withoutLabel += decision.label.kind === 'label' ? 1 : 0;
        continue;
      }
      const kept = heldDecision(decision, segmentOf);
      if (kept !== null) held.set(kept.id, kept);
    }
    if (held.size > MOST_DECISIONS) throw evaluationTooLarge(MOST_DECISIONS);
    onProgress?.(held.size);
  }
  const { counts, asOfUs } = scan;
  // Sums of doubles depend on the order: that of a log is not the same everywhere.
  return {
    held: [...held.values()].sort((a, b) => compareUtf8(a.id, b.id)),
    withoutLabel,
    deciders,
    shadows,
    seen,
    counts: { ...counts },
    asOfUs,
  };
}

function hasLabel(
  decision: LabelledDecision,
): decision is LabelledDecision & { readonly label: { readonly value: LabelScalar } } {
  return decision.label.kind === 'label' && decision.label.value !== null;
}

/** Whether a decision is needed for what is asked. */
function askedOf(ask: EvaluationAsk): (by: ModelNamed, row: Row) => boolean {
  const { model, against, offPolicy, scores, sample } = ask;
  const named = [model, against, offPolicy?.candidate].filter((one) => one !== undefined);
  // What others decided is what files, and policies, are held to.
  const needsLogged = scores !== undefined || offPolicy !== undefined;
  return (by, row) => {
    const isLogged = needsLogged && row['acted'] === true && by.model === model.model;
    if (!isLogged && !named.some((one) => isSameModel(one, by))) return false;
    if (sample === undefined || sample >= 1) return true;
    const unit = row['unit'] ?? row['shadow_of'] ?? row['decision_id'];
    return hashFraction(SAMPLE_SALT, unit as string) < sample;
  };
}
