import type { LabelScalar } from '../define/label-set.ts';
import { compareUtf8 } from '../values/compare.ts';

/** How scores are held to labels: as the chance of yes, or as the number itself. Texts are neither. */
export type ScoredLabels =
  | { readonly kind: 'chance'; readonly numberOf: (label: LabelScalar) => 0 | 1 }
  | { readonly kind: 'number'; readonly numberOf: (label: LabelScalar) => number }
  | { readonly kind: 'text'; readonly seen: readonly string[] };

/** So many of the texts found are named. */
const NAMED = 5;

/**
 * What labels are to scores: yes or no where all are 0, 1, false or true; numbers where all are; else texts, of which one may be named as yes.
 *
 * @example
 * scoredLabels([0, 1, 1], undefined).kind; // 'chance'
 */
export function scoredLabels(labels: Iterable<LabelScalar>, positive: string | undefined): ScoredLabels {
  if (positive !== undefined) return { kind: 'chance', numberOf: (label) => (String(label) === positive ? 1 : 0) };
  let areBinary = true;
  const texts = new Set<string>();
  for (const label of labels) {
    if (typeof label === 'string') texts.add(label);
    else if (typeof label === 'number' && label !== 0 && label !== 1) areBinary = false;
  }
  if (texts.size > 0) return { kind: 'text', seen: [...texts].sort(compareUtf8).slice(0, NAMED) };
  if (areBinary) return { kind: 'chance', numberOf: (label) => (Number(label) === 1 ? 1 : 0) };
  return { kind: 'number', numberOf: Number };
}
