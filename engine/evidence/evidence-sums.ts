import { compareUtf8 } from '../values/compare.ts';
import { ExactMoments, type SampleMoments } from './exact-moments.ts';

/** What one sum is of. */
export interface EvidenceKey {
  readonly metric: string;
  /** From 0, in the order of the rollout. */
  readonly stage: number;
  readonly variant: string;
  /** A named part of the units; null: all of them. */
  readonly segment: string | null;
}

/** One unit's observation in one stage. */
export interface Observation {
  readonly metric: string;
  readonly stage: number;
  readonly variant: string;
  /** Those that the unit belongs to. */
  readonly segments: readonly string[];
  readonly value: number;
}

/** A sum as it is stored. */
export interface EvidenceCell extends EvidenceKey {
  readonly moments: Uint8Array;
}

/**
 * The exact sums that a rollout is judged by, per metric, stage, variant and segment. A function of the set of observations: order, batches and who took
 * which do not show, in no byte.
 *
 * @example
 * const sums = new EvidenceSums();
 * sums.observe({ metric: 'cost', stage: 0, variant: 'b', segments: ['LAS'], value: 1.5 });
 * sums.read({ metric: 'cost', stage: 0, variant: 'b', segment: null }); // { count: 1, mean: 1.5, variance: 0 }
 */
export class EvidenceSums {
  readonly #cells = new Map<string, { readonly key: EvidenceKey; readonly moments: ExactMoments }>();

  observe({ metric, stage, variant, segments, value }: Observation): void {
    this.#at({ metric, stage, variant, segment: null }).add(value);
    for (const segment of new Set(segments)) this.#at({ metric, stage, variant, segment }).add(value);
  }

  merge(other: EvidenceSums): void {
    for (const { key, moments } of other.#cells.values()) this.#at(key).merge(moments);
  }

  /** Of what was never observed: nothing. */
  read(key: EvidenceKey): SampleMoments {
    return (this.#cells.get(textOf(key))?.moments ?? new ExactMoments()).read();
  }

  /** All, in the order of metric, stage, variant and segment, by the bytes of their names. */
  cells(): EvidenceCell[] {
    const cells = [...this.#cells.values()].map(({ key, moments }) => ({ ...key, moments: moments.encode() }));
    return cells.sort(inOrder);
  }

  /** What `cells` gave; a key that is there twice is added up. Throws `state-corrupt`. */
  static of(cells: Iterable<EvidenceCell>): EvidenceSums {
    const sums = new EvidenceSums();
    for (const { moments, ...key } of cells) sums.#at(key).merge(ExactMoments.decode(moments));
    return sums;
  }

  #at({ metric, stage, variant, segment }: EvidenceKey): ExactMoments {
    const key = { metric, stage, variant, segment };
    const text = textOf(key);
    let cell = this.#cells.get(text);
    if (cell === undefined) {
      cell = { key, moments: new ExactMoments() };
      this.#cells.set(text, cell);
    }
    return cell.moments;
  }
}

function textOf({ metric, stage, variant, segment }: EvidenceKey): string {
  return JSON.stringify([metric, stage, variant, segment]);
}

function inOrder(a: EvidenceKey, b: EvidenceKey): number {
  const bySegment = (): number =>
    a.segment === null || b.segment === null
      ? Number(b.segment === null) - Number(a.segment === null)
      : compareUtf8(a.segment, b.segment);
  return compareUtf8(a.metric, b.metric) || a.stage - b.stage || compareUtf8(a.variant, b.variant) || bySegment();
}
