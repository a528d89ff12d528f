/** A decision as the soak said it: what its oracles go by. Times are epoch µs, whole ms. */
export interface SaidSuggestion {
  readonly says: 'decision';
  readonly id: string;
  readonly atUs: number;
  /** What it rests on; null: nothing could be read. */
  readonly service: string | null;
  readonly action: string;
  readonly shop: string;
  readonly basket: number;
  /** Of a shadow, the decision that was acted on. */
  readonly shadowOf: string | null;
}

/** An outcome as the soak said it. */
export interface SaidResponse {
  readonly says: 'outcome';
  readonly id: string;
  readonly decision: string;
  readonly value: number;
  readonly atUs: number;
  /** When it was said: its record has this time. */
  readonly saidUs: number;
  /** Since when it says it could be known; null: since its record arrived. */
  readonly knownUs: number | null;
}

/** All that was said, in the order in which it was. */
export interface Said {
  readonly decisions: readonly SaidSuggestion[];
  readonly outcomes: readonly SaidResponse[];
}

/** Of each id what was said first: a resent one is the same one, whatever else it says. */
export function firstOfEach<One extends { readonly id: string }>(said: readonly One[]): One[] {
  const first = new Map<string, One>();
  for (const one of said) if (!first.has(one.id)) first.set(one.id, one);
  return [...first.values()];
}
