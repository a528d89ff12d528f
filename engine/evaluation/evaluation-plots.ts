import type { TopLevelSpec } from 'vega-lite';
import type { MeanEstimate } from '../evidence/clustered-mean.ts';
import { svgOf } from '../training/share-bars.ts';
import type { Measures, OffPolicyReport, SideReport } from './evaluation-report.ts';
import { partText } from './evaluation-words.ts';

const BLUE = '#1d4ed8';
const GREY = '#9ca3af';
const SIZE = 260;

/** A value with its interval, under a name. */
export interface Ranged {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What came of scores, by tenths of them, as SVG. Throws MillraceError `package-missing`. */
export async function calibrationPlot(measures: Measures): Promise<string> {
  const points = calibrationPoints(measures);
  const [least, most] = rangeOf(points.flatMap(({ score, low, high }) => [score, low, high]));
  const [from, to] = measures.kind === 'chance' ? [0, 1] : [least, most];
  const scale = { domain: [from, to] };
  const x = { field: 'score', type: 'quantitative' as const, title: 'score (mean of a tenth of the rows)', scale };
  const title = measures.kind === 'chance' ? 'share of positives' : 'mean label';
  const y = { field: 'came', type: 'quantitative' as const, title, scale };
  return await svgOf({
    ...framed(SIZE, SIZE),
    layer: [
      {
        data: {
          values: [
            { score: from, came: from },
            { score: to, came: to },
          ],
        },
        mark: { type: 'line', color: GREY, strokeDash: [4, 4] },
        encoding: { x, y },
      },
      {
        data: { values: points.map((point) => ({ ...point })) },
        mark: { type: 'rule', color: BLUE },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      {
        data: { values: points.map((point) => ({ ...point })) },
        mark: { type: 'point', filled: true, color: BLUE, size: 40 },
        encoding: { x, y },
      },
    ],
  });
}

/** What scores gain over the base in each part, as SVG. */
export async function segmentPlot({ parts }: SideReport['segments'][number], kind: Measures['kind']): Promise<string> {
  const title = kind === 'chance' ? 'gain in log loss over the base' : 'gain in squared error over the base';
  return await rangePlot(
    parts.map((part) => rangedOf(partText(part), part.measures.gain)),
    title,
    0,
  );
}

/** Estimates beside what was done, and what then happened, as SVG. */
export async function offPolicyPlot({ value, asDecided, actual, reward }: OffPolicyReport): Promise<string> {
  const rows: Ranged[] = [];
  const add = (name: string, estimate: MeanEstimate | null | undefined): void => {
    if (estimate !== null && estimate !== undefined) rows.push(rangedOf(name, estimate));
  };
  add('as decided', asDecided);
  if (value.kind === 'estimated') {
    add('IPS', value.ips);
    add('self-normalised', value.snips);
    add('doubly robust', value.doublyRobust);
  }
  add('what happened', actual?.mean);
  return await rangePlot(rows, reward === 'label' ? 'mean label' : 'mean reward', null);
}

/** Per bin the mean score, and what came of it with its interval. */
export function calibrationPoints(measures: Measures): readonly {
  readonly rows: number;
  readonly score: number;
  readonly came: number;
  readonly low: number;
  readonly high: number;
}[] {
  if (measures.kind === 'chance')
    return measures.calibration.bins.map(({ rows, score, share, interval }) => ({
      rows,
      score,
      came: share,
      ...interval,
    }));
  return measures.bins.map(({ rows, score, label: { value, interval } }) => ({
    rows,
    score,
    came: value,
    ...interval,
  }));
}

function rangedOf(name: string, { value, interval }: MeanEstimate): Ranged {
  // Of one unit an interval has no end, which no axis has room for.
  const [low, high] = [interval.low, interval.high].map((end) => (Number.isFinite(end) ? end : value)) as [
    number,
    number,
  ];
  return { name, value, low, high };
}

function rangeOf(values: readonly number[]): [number, number] {
  const known = values.filter((value) => Number.isFinite(value));
  return [Math.min(...known), Math.max(...known)];
}

function framed(width: number, height: number | { readonly step: number }) {
  return { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', background: 'white', padding: 4, width, height };
}

/** Values with their intervals, one below the other, as SVG; `mark`: a line that they are held to. Throws MillraceError `package-missing`. */
export async function rangePlot(rows: readonly Ranged[], title: string, mark: number | null): Promise<string> {
  const y = {
    field: 'name',
    type: 'nominal' as const,
    sort: rows.map(({ name }) => name),
    title: null,
    axis: { labelLimit: 160 },
  };
  const x = { field: 'value', type: 'quantitative' as const, title, scale: { zero: mark !== null } };
  const spec: TopLevelSpec = {
    ...framed(340, { step: 20 }),
    data: { values: rows.map((row) => ({ ...row })) },
    layer: [
      ...(mark === null
        ? []
        : [{ mark: { type: 'rule' as const, color: GREY, strokeDash: [4, 4] }, encoding: { x: { datum: mark } } }]),
      { mark: { type: 'rule', color: BLUE }, encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' } } },
      { mark: { type: 'point', filled: true, color: BLUE, size: 40 }, encoding: { y, x } },
    ],
  };
  return await svgOf(spec);
}
