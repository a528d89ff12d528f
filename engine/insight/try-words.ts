import { percent, shortNumber } from '../values/shown-number.ts';
import type { Distribution } from './distribution.ts';
import type { Strength } from './strength.ts';
import type { TriedFeature, TryReport } from './try-report.ts';

/** How a value of a numeric feature is shown. Times are epoch µs. */
export type ShowNumber = (value: number) => string;

/** Three digits tell distributions apart; times to the minute, dates as days. */
export function numberShower(type: string): ShowNumber {
  if (type === 'timestamp') return (value) => isoText(value).slice(0, 16);
  if (type === 'date') return (value) => isoText(value).slice(0, 10);
  return shortNumber;
}

function isoText(timeUs: number): string {
  return new Date(timeUs / 1000).toISOString();
}

/** Rows that have a value, of the feature's. */
export function coverage({ rows, nulls, errors }: TriedFeature): number {
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return rows === 0 ? 0 : (rows - nulls - failed) / rows;
}

/** How values are spread, in a line: of numbers 5 %, the middle and 95 %; of categories the most frequent. */
export function spreadText(distribution: Distribution | null, show: ShowNumber, most = 3): string {
  if (distribution === null) return '';
  switch (distribution.kind) {
    case 'hidden':
      return 'sensitive';
    case 'number': {
      const { min, p05, p50, p95, max } = distribution.quantiles;
      return min === max ? `always ${show(min)}` : [p05, p50, p95].map(show).join(' · ');
    }
    case 'category':
    case 'collection': {
      const { top, distinct } = distribution;
      const named = top.slice(0, most).map(({ value }) => shortText(value));
      const rest = distinct > named.length ? ` +${(distinct - named.length).toLocaleString('en-US')}` : '';
      const size = distribution.kind === 'collection' ? `${sizesText(distribution)}: ` : '';
      return `${size}${named.join(', ')}${rest}`;
    }
  }
}

function sizesText({ sizes }: Extract<Distribution, { kind: 'collection' }>): string {
  return sizes.min === sizes.max ? `size ${sizes.min}` : `size ${[sizes.p05, sizes.p50, sizes.p95].join(' · ')}`;
}

const MOST_LETTERS = 16;

function shortText(text: string): string {
  const letters = Array.from(text.replaceAll(/\p{Cc}/gu, '?'));
  return letters.length > MOST_LETTERS ? `${letters.slice(0, MOST_LETTERS - 1).join('')}…` : letters.join('');
}

/** What a feature tells of the label, in a line. */
export function strengthText(strength: Strength): string {
  switch (strength.measure) {
    case 'auc':
      return `AUC ${strength.value.toFixed(3)} (${strength.low.toFixed(3)} to ${strength.high.toFixed(3)})`;
    case 'rank-correlation':
      return `rank ${signed(strength.value)} (${signed(strength.low)} to ${signed(strength.high)})`;
    case 'mutual-information':
      return `${Math.max(0, strength.value).toFixed(4)} of ${strength.ofLabel.toFixed(3)} bits (chance ${strength.byChance.toFixed(4)})`;
    case 'none':
      return { 'no-values': 'no value', 'constant-feature': 'constant', 'constant-label': 'label constant' }[
        strength.why
      ];
  }
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}

function bytesText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What was read and how, in lines: a word, then what it is. */
export function headLines(report: TryReport): readonly (readonly [word: string, text: string])[] {
  const { history, rows, label, blocks, seconds } = report;
  const number = (value: number): string => value.toLocaleString('en-US');
  const files = history.map(
    (one) =>
      `${number(one.rows)} rows of ${one.source} (${one.files === 1 ? '1 file' : `${number(one.files)} files`}, ${bytesText(one.bytes)})`,
  );
  const lines: [string, string][] = [
    ['read', `${files.join(', ')}, all of them, in ${seconds.toFixed(1)} s; topics are not read`],
    ['rows', `${number(rows.rows)} ${ofText(rows.of)}, ${rows.from.slice(0, 16)} to ${rows.to.slice(0, 16)}`],
  ];
  if (label !== null) lines.push(['label', labelText(label)]);
  const found = blocks.map(({ block, found: hits, rows: of }) => `${block} ${percent(of === 0 ? 0 : hits / of)}`);
  lines.push(['found', `${found.join(', ')} of the rows have an event before them`]);
  return lines;
}

function ofText(of: TryReport['rows']['of']): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  if (of.kind === 'events') {
    const entities = `${number(of.entities)} entities${of.isPart ? ' by a hash of their keys' : ', all there are'}`;
    return `at times of events: ${entities}, up to ${of.timesEach} events each by a hash of their place`;
  }
  if (of.ofKeys !== null && of.keys === of.ofKeys) return `of ${of.path}, all of them (${number(of.keys)} keys)`;
  const keys = `${number(of.keys)}${of.ofKeys === null ? '' : ` of ${number(of.ofKeys)}`}`;
  return `of ${number(of.ofRows)} of ${of.path}: those of ${keys} keys, by a hash of them`;
}

function labelText({ column, kind, rows, nulls, positive, categories }: NonNullable<TryReport['label']>): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const without = nulls === 0 ? '' : `; ${number(nulls)} rows have none`;
  if (positive !== null)
    return `${column}: ${number(positive.rows)} of ${number(rows)} are ${positive.value}, the others ${positive.negative} (${percent(positive.rows / rows)})${without}`;
  return kind === 'number'
    ? `${column}, a number${without}`
    : `${column}, one of ${categories ?? 0} categories${without}`;
}
