import type { MeanEstimate } from '../evidence/clustered-mean.ts';
import type { OffPolicyValue } from '../evidence/off-policy.ts';
import type { Interval } from '../statistics/wilson.ts';
import { percent, shortNumber } from '../values/shown-number.ts';
import type { EvaluationReport, Measures, OffPolicyReport, SegmentPart, SideReport } from './evaluation-report.ts';

const count = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

/** `0.4123 (0.4081 to 0.4166)` */
export function estimateText(
  { value, interval }: { readonly value: number; readonly interval: Interval },
  digits = 4,
): string {
  const shown = (one: number): string =>
    (Number.isFinite(one) ? one.toFixed(digits) : one < 0 ? '−∞' : '∞').replace('-', '−');
  return `${shown(value)} (${shown(interval.low)} to ${shown(interval.high)})`;
}

/** What was looked at, in lines: a word, then what it is. */
export function evaluationLines(report: EvaluationReport): readonly (readonly [word: string, text: string])[] {
  const { labels, from, to, asOf, counts, withoutLabel, base, sides } = report;
  const lines: [string, string][] = [
    ['labels', `${labels}, decisions of ${minuteOf(from)} to ${minuteOf(to)}, as known at ${minuteOf(asOf)}`],
    [
      'decisions',
      [
        `${count(counts.decisions)} read`,
        `${count(counts.labelled)} with a label`,
        `${count(counts.immature)} not mature yet`,
        `${count(counts.leftOut)} of which nothing came`,
        ...(withoutLabel === 0 ? [] : [`${count(withoutLabel)} whose label is null`]),
        ...(counts.invalid === 0 ? [] : [`${count(counts.invalid)} broken`]),
        ...(counts.duplicates === 0 ? [] : [`${count(counts.duplicates)} said twice`]),
        ...(counts.afterMaturity === 0 ? [] : [`${count(counts.afterMaturity)} outcomes came too late to count`]),
      ].join(', '),
    ],
  ];
  if (sides.length > 0)
    lines.push(['base', `${base.rate === null ? 'the rate' : shortNumber(base.rate)} of ${base.of}`]);
  return lines;
}

function minuteOf(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ');
}

/** The head of a table of measures, after what the rows are of. */
export function measuresHead(kind: Measures['kind']): readonly string[] {
  return kind === 'chance'
    ? ['rows', 'positive', 'log loss (95 %)', 'base', 'gain (95 %)', 'AUC (95 %)', 'calibration error']
    : ['rows', 'mean', 'squared error (95 %)', 'base', 'gain (95 %)', 'bias (95 %)'];
}

/** A row of that table. */
export function measuresCells(measures: Measures): readonly string[] {
  if (measures.kind === 'chance') {
    const { rows, positives, logLoss, baseLogLoss, gain, area, calibration } = measures;
    return [
      count(rows),
      percent(positives / rows),
      estimateText(logLoss),
      baseLogLoss.toFixed(4),
      estimateText(gain),
      area === null ? 'all labels are the same' : estimateText({ value: area.area, interval: area.interval }, 3),
      calibration.error.toFixed(4),
    ];
  }
  const { rows, meanLabel, squaredError, baseSquaredError, gain, bias } = measures;
  return [
    count(rows),
    shortNumber(meanLabel),
    estimateText(squaredError),
    baseSquaredError.toFixed(4),
    estimateText(gain),
    estimateText(bias),
  ];
}

/** What a row of a side is of. */
export function sideText({ name, rows, acted, units, withoutScore, failed }: SideReport): string {
  const parts = [
    `${count(acted)} acted on, ${count(rows - acted)} in shadow`,
    `${count(units)} units`,
    ...(withoutScore === 0 ? [] : [`${count(withoutScore)} without a score`]),
    ...(failed === 0 ? [] : [`${count(failed)} decided with an error`]),
  ];
  return `${name}: ${parts.join(', ')}`;
}

/** The value of a segment. */
export function partText({ value, values }: SegmentPart): string {
  return value ?? `${count(values)} other values`;
}

/** What two models differ by, in a line each. */
export function comparisonLines(report: EvaluationReport): readonly string[] {
  const { comparison } = report;
  if (comparison === null) return [];
  const { first, second, measure, all, paired } = comparison;
  const verdict = ({ interval }: MeanEstimate): string =>
    interval.high < 0 ? `${first} is better` : interval.low > 0 ? `${second} is better` : 'no difference is shown';
  return [
    ...(all === null
      ? []
      : [
          `${measure} of ${first} less that of ${second}: ${estimateText(all)}, over all rows of each: ${verdict(all)}`,
        ]),
    paired === null
      ? `no request was scored by both`
      : `the same over ${count(paired.requests)} requests of ${count(paired.units)} units that both scored: ${estimateText(paired.difference)}: ${verdict(paired.difference)}`,
  ];
}

/** Why nothing is estimated, with the figures. */
export function refusalText(value: OffPolicyValue & { readonly kind: 'refused' }, untried: number): string {
  const { decisions, effective, errorEffective, meanWeight, greatestWeight } = value.overlap;
  if (value.why === 'few-effective')
    return `the log tells as much of it as ${shortNumber(effective)} decisions of its own would (of ${count(decisions)} logged ones, weights up to ${shortNumber(greatestWeight)}): 100 at least are needed. Log more days, or let the policy explore more where the candidate differs`;
  if (value.why === 'few-behind-errors')
    return `errors rest on as much as ${shortNumber(errorEffective)} decisions (of ${count(decisions)} logged ones, weights up to ${shortNumber(greatestWeight)}): 15 at least are needed. What the candidate does otherwise was done by chance a few times alone; log more days, or let the policy explore more`;
  const off = Math.abs(meanWeight.value - 1) / meanWeight.error;
  const cause =
    untried > 0
      ? `${percent(untried)} of what the candidate does was never done, and cannot be told from the log`
      : 'propensities are not those by which actions were taken, or the candidate does what was hardly ever done';
  return `the mean weight is ${meanWeight.value.toFixed(4)} ± ${meanWeight.error.toFixed(4)}, and would be 1: it is ${Number.isFinite(off) ? shortNumber(off) : 'infinitely many'} standard errors off, more than 3. ${cause}`;
}

/** What a policy would have brought, in lines: a word, then what it is. */
export function offPolicyLines(report: OffPolicyReport): readonly (readonly [word: string, text: string])[] {
  const { logged, value, asDecided, actual, refusal, takenAtItsWord, usedSpan, actualSpan } = report;
  const { overlap } = value;
  const span = (one: readonly [string, string] | null): string =>
    one === null ? '' : `, ${minuteOf(one[0])} to ${minuteOf(one[1])}`;
  const lines: [string, string][] = [
    [
      'logged',
      [
        `${count(logged.decisions)} acted decisions with a label`,
        ...(logged.withoutPropensity === 0 ? [] : [`${count(logged.withoutPropensity)} without a propensity`]),
        ...(logged.withoutCandidate === 0
          ? []
          : [`${count(logged.withoutCandidate)} for which the candidate's chances are not known`]),
        `${count(logged.used)} used (${count(overlap.units)} units)${span(usedSpan)}`,
      ].join(', '),
    ],
    [
      'overlap',
      `effective sample ${shortNumber(overlap.effective)} (of errors ${shortNumber(overlap.errorEffective)}), mean weight ${overlap.decisions === 0 ? 'none' : estimateText(overlap.meanWeight, 3)}, greatest ${shortNumber(overlap.greatestWeight)}`,
    ],
  ];
  if (takenAtItsWord > 0)
    lines.push([
      'candidate',
      `${count(takenAtItsWord)} of its decisions tell no propensities: it is taken to do what it did, always`,
    ]);
  if (asDecided !== null)
    lines.push(['as decided', `${estimateText(asDecided)}: the mean ${rewardText(report)} of what was done there`]);
  if (value.kind === 'estimated') {
    lines.push(
      ['IPS', estimateText(value.ips)],
      ['self-normalised', estimateText(value.snips)],
      ['doubly robust', estimateText(value.doublyRobust)],
    );
  } else lines.push(['refused', refusal ?? value.why]);
  lines.push([
    'what happened',
    actual === null
      ? 'the candidate did not act in these days'
      : `${estimateText(actual.mean)}, of ${count(actual.decisions)} decisions it acted on, of ${count(actual.units)} units${span(actualSpan)}`,
  ]);
  return lines;
}

function rewardText({ reward }: OffPolicyReport): string {
  return reward === 'label' ? 'label' : 'reward';
}
