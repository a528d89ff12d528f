import type { Row } from '../contract/compiled-contract.ts';

/** What is watched of a decision. */
export interface WatchedDecision {
  readonly stage: number;
  readonly variant: string;
  readonly unit: string | null;
  readonly action: string;
  readonly score: number | null;
  readonly latencyMs: number | null;
  readonly error: string | null;
  /** Per read the JSON text of its values. */
  readonly values: readonly string[];
  readonly context: Row;
}

/** What guardrails read of a decision. */
export interface DecisionFigures {
  readonly action: string;
  readonly score: number | null;
  readonly latencyMs: number | null;
  readonly hasError: boolean;
  /** The share of its features that had a value; null where it carries none. */
  readonly coverage: number | null;
}

/** The numbers of a decision. */
export function decisionFigures({ action, score, latencyMs, error, values }: WatchedDecision): DecisionFigures {
  return { action, score, latencyMs, hasError: error !== null, coverage: coverageOf(values) };
}

/** A decision's row, as it is watched; null where it is of no rollout, or another one. */
export function watchedDecision(row: Row, rollout: string): WatchedDecision | null {
  if (row['rollout'] !== rollout || row['stage'] == null || row['variant'] == null) return null;
  const reads = (row['reads'] ?? []) as readonly Row[];
  return {
    stage: row['stage'] as number,
    variant: row['variant'] as string,
    unit: (row['unit'] ?? null) as string | null,
    action: row['action'] as string,
    score: (row['score'] ?? null) as number | null,
    latencyMs: (row['latency_ms'] ?? null) as number | null,
    error: (row['error'] ?? null) as string | null,
    values: reads.map((read) => read['values'] as string),
    context: row['context'] as Row,
  };
}

function coverageOf(values: readonly string[]): number | null {
  let [there, all] = [0, 0];
  for (const text of values)
    for (const value of Object.values(parsed(text))) {
      all++;
      if (value !== null) there++;
    }
  return all === 0 ? null : there / all;
}

/** What is no JSON object has no feature. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
