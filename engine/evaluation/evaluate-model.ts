import type { DuckDbOptions } from '../duckdb/duckdb.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { readScores } from './chances-file.ts';
import { collectDecisions, type OpenScan } from './collect-decisions.ts';
import { evaluateCandidate } from './evaluate-candidate.ts';
import { evaluateSides } from './evaluate-sides.ts';
import type { EvaluationAsk } from './evaluation-ask.ts';
import { nothingDecided } from './evaluation-faults.ts';
import { evaluationMetrics } from './evaluation-metrics.ts';
import { evaluationNotes } from './evaluation-notes.ts';
import type { EvaluationReport } from './evaluation-report.ts';

/** What evaluating a model takes. */
export interface EvaluationOptions extends EvaluationAsk {
  /** The name of the label set. */
  readonly labels: string;
  /** Decisions of [fromUs, untilUs), UTC epoch µs. */
  readonly fromUs: number;
  readonly untilUs: number;
  /** `openLabelScan` with these days, and with this `where`. */
  readonly openScan: OpenScan;
  /** For `scores` and `policy`. */
  readonly duckdb: DuckDbOptions;
  readonly spillDir: string;
  readonly signal?: AbortSignal | undefined;
  /** Told how many decisions with labels were read. */
  readonly onProgress?: ((decisions: number) => void) | undefined;
}

/**
 * What a model is worth by its decisions and what came of them: log loss, area under the curve and calibration, per segment, beside another version of the
 * same days; and what a policy would have brought on what was logged. Intervals are of 95 %, over units. The same log gives the same report.
 *
 * @throws MillraceError `nothing-decided`, `model-never-decided`, `no-mature-labels`, `no-scores`, `label-not-scored`, `invalid-score`, `propensities-missing`,
 *   `reward-missing`, `unknown-segment`, `invalid-decisions-file`, `evaluation-too-large`; what the scan throws
 * @example
 * const { sides } = await evaluateModel({ model: { model: 'late', version: 7 }, labels: 'late', fromUs, untilUs, openScan, duckdb, spillDir });
 */
export async function evaluateModel(options: EvaluationOptions): Promise<EvaluationReport> {
  const { labels, baseRate, duckdb, spillDir } = options;
  const signal = options.signal ?? new AbortController().signal;
  const collected = await collectDecisions(options, options.openScan, { signal, onProgress: options.onProgress });
  const { counts, asOfUs, withoutLabel, held } = collected;
  const [from, to] = [formatDateTime(options.fromUs), formatDateTime(options.untilUs)];
  // Of an archive that has nothing yet it is before all time.
  const asOf = Number.isFinite(asOfUs) ? formatDateTime(asOfUs) : 'never';
  if (collected.seen === 0) throw nothingDecided(labels, from, to);
  const reading = { duckdb, spillDir, signal };
  const wanted = new Set(held.filter(({ isActed }) => isActed).map(({ id }) => id));
  const scores = options.scores === undefined ? null : await readScores(options.scores, wanted, reading);
  const report = {
    kind: 'evaluation' as const,
    labels,
    from,
    to,
    asOf,
    counts,
    withoutLabel,
    base: { rate: baseRate?.value ?? null, of: baseRate?.of ?? ('these rows' as const) },
    ...evaluateSides({ ...options, asOf }, collected, scores),
    offPolicy: await evaluateCandidate({ ...options, asOf }, collected, wanted, reading),
  };
  return { ...report, metrics: evaluationMetrics(report), notes: evaluationNotes(report) };
}
