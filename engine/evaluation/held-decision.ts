import type { Label } from '../evidence/label-rule.ts';
import type { LabelScalar } from '../define/label-set.ts';
import type { ModelNamed } from './evaluation-ask.ts';

/** A decision as the scan of a label set gives it. */
export interface LabelledDecision {
  readonly id: string;
  /** UTC epoch µs. */
  readonly timeUs: number;
  /** By the contract of decisions. */
  readonly row: Readonly<Record<string, unknown>>;
  readonly label: Label<LabelScalar>;
}

/** What evaluating keeps of a decision. */
export interface HeldDecision {
  readonly id: string;
  /** The decision that was acted on: its own id, or what it is a shadow of. All that was decided of one request has it in common. */
  readonly request: string;
  readonly timeUs: number;
  readonly isActed: boolean;
  readonly by: ModelNamed;
  /** Whom it is about; of a decision that names none its request. */
  readonly unit: string;
  readonly namesUnit: boolean;
  readonly action: string;
  readonly score: number | null;
  readonly propensity: number | null;
  /** Of all actions together 1; null: the decision tells no propensities. */
  readonly chances: ReadonlyMap<string, number> | null;
  readonly failed: boolean;
  readonly context: Readonly<Record<string, unknown>>;
  /** In the order in which they were asked for. */
  readonly segments: readonly string[];
  readonly label: LabelScalar;
}

/** Keeps a decision that has a label. Null where it names no version of a model. */
export function heldDecision(
  { id, timeUs, row, label }: LabelledDecision & { readonly label: { readonly value: LabelScalar } },
  segmentOf: (row: Readonly<Record<string, unknown>>, timeUs: number) => readonly string[],
): HeldDecision | null {
  const by = modelOf(row);
  if (by === null) return null;
  const request = (row['shadow_of'] as string | null) ?? id;
  const unit = row['unit'] as string | null;
  const action = row['action'] as string;
  const propensity = (row['propensity'] as number | null) ?? null;
  return {
    id,
    request,
    timeUs,
    isActed: row['acted'] as boolean,
    by,
    unit: unit ?? request,
    namesUnit: unit !== null && unit !== undefined,
    action,
    score: (row['score'] as number | null) ?? null,
    propensity,
    chances: propensity === null ? null : chancesOf(row, action, propensity),
    failed: (row['error'] ?? null) !== null,
    context: row['context'] as Readonly<Record<string, unknown>>,
    segments: segmentOf(row, timeUs),
    label: label.value,
  };
}

/** Which version of which model decided; null: the decision does not say. */
export function modelOf(row: Readonly<Record<string, unknown>>): ModelNamed | null {
  const [model, version] = [row['model'] ?? null, row['model_version'] ?? null];
  return model === null || version === null ? null : { model: model as string, version: version as number };
}

interface Alternative {
  readonly action: string;
  readonly propensity?: number | null | undefined;
}

function chancesOf(row: Readonly<Record<string, unknown>>, action: string, propensity: number): Map<string, number> {
  const chances = new Map<string, number>();
  for (const other of row['alternatives'] as readonly Alternative[])
    if ((other.propensity ?? null) !== null) chances.set(other.action, other.propensity!);
  return chances.set(action, propensity);
}
