import type { ModelMetrics } from '../postgres/model-versions.ts';
import type { EvaluationReport } from './evaluation-report.ts';
import { quotedEstimate } from './off-policy-report.ts';

/** The figures of the model asked for, in one level: what is kept beside a version of it (`model publish --metrics`). */
export function evaluationMetrics(report: Omit<EvaluationReport, 'metrics' | 'notes'>): ModelMetrics {
  const { labels, from, to, asOf, base, sides, offPolicy } = report;
  const measures = sides[0]?.measures;
  const head = { evaluatedOn: labels, evaluatedFrom: from, evaluatedTo: to, evaluatedAsOf: asOf };
  // What was known before, alone: the rate of these rows is not that of the training set of whoever reads it.
  const rate = base.of === 'these rows' ? {} : { baseRate: base.rate };
  return { ...head, ...rate, ...sideMetrics(measures), ...(offPolicy === null ? {} : offPolicyMetrics(offPolicy)) };
}

function sideMetrics(measures: EvaluationReport['sides'][number]['measures'] | undefined): ModelMetrics {
  if (measures === undefined) return {};
  const { rows, gain } = measures;
  const gains = { gain: gain.value, gainLow: finite(gain.interval.low), gainHigh: finite(gain.interval.high) };
  if (measures.kind === 'number') {
    const { squaredError, baseSquaredError, bias, meanLabel } = measures;
    return {
      rows,
      meanLabel,
      squaredError: squaredError.value,
      squaredErrorBase: baseSquaredError,
      bias: bias.value,
      ...gains,
    };
  }
  const { positives, logLoss, baseLogLoss, area, calibration } = measures;
  return {
    rows,
    positiveShare: positives / rows,
    logLoss: logLoss.value,
    logLossLow: finite(logLoss.interval.low),
    logLossHigh: finite(logLoss.interval.high),
    logLossBase: baseLogLoss,
    ...gains,
    auc: area?.area ?? null,
    aucLow: area?.interval.low ?? null,
    aucHigh: area?.interval.high ?? null,
    calibrationError: calibration.error,
  };
}

function offPolicyMetrics({ value, actual }: NonNullable<EvaluationReport['offPolicy']>): ModelMetrics {
  const quoted = quotedEstimate(value);
  return {
    opeEstimate: quoted?.value ?? null,
    opeLow: quoted === null ? null : finite(quoted.interval.low),
    opeHigh: quoted === null ? null : finite(quoted.interval.high),
    opeEffective: value.overlap.effective,
    opeActual: actual?.mean.value ?? null,
    opeActualError: actual === null ? null : finite(actual.mean.error),
  };
}

/** JSON has no infinities: null is that nothing is known. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
