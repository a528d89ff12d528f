import { boundedPage } from '../bounded.ts';
import { setCurrentDetails } from '@temporalio/workflow';
import { batch, batchOptions } from '../activity-profiles.ts';
import {
  EXPORT_MODES,
  type ExportInput,
  type ExportLabelSize,
  type ExportMode,
  type ExportSize,
  type ExportSummary,
  TIME_ATS,
} from './contract.ts';
import {
  type Given,
  invalid,
  objectOf,
  optionalFlagOf,
  optionalShareOf,
  optionalTextOf,
  optionalWholeOf,
  show,
  textOf,
} from '../json-input.ts';
import { byThisRelease } from '../other-release.ts';
import { waitingText } from '../page-text.ts';
import { type Waiting, WaitLane } from '../waits.ts';
import { renderExport, renderLabelSize, renderSize } from './page.ts';

const FIELDS: readonly (keyof ExportInput)[] = [
  'service',
  'spine',
  'labels',
  'asOf',
  'model',
  'variant',
  'shadows',
  'entitiesOf',
  'entities',
  'every',
  'from',
  'to',
  'maxRows',
  'dryRun',
  'out',
  'timeColumn',
  'timeZone',
  'timeAt',
  'mode',
  'requestColumn',
  'missing',
  'onError',
  'compare',
  'sample',
  'split',
  'overwrite',
  'repeatOf',
];
const EXAMPLE = '{"service":"delay_model","spine":"labels.parquet","out":"train.parquet"}';

/**
 * Exports a training set: every row of the spine, with each feature as it was known at that row's time (`event-time`), or as serving
 * answered (`as-served`). In place of a spine, `labels` (a label set) with `from` and `to` are decisions with what came of them, each with what it was made of
 * (`decided`); `entitiesOf` (a view) or `entities` (a file) with `every`, `from` and `to` are entities at regular times. Started with `{"service": "delay_model", "spine": "labels.parquet", "out": "train.parquet"}` on task queue
 * `millrace`. Progress stands in the heartbeat of its activity.
 */
export async function exportTrainingSet(input: ExportInput): Promise<ExportSummary | ExportSize | ExportLabelSize> {
  checkInput(input);
  const { service } = input;
  setCurrentDetails(running(input, null));
  const summary = await byThisRelease(
    () => batch.exportTrainingSet.executeWithOptions(batchOptions(`export ${service}`), [input]),
    new WaitLane('export', 'what-passes', (_, waiting) => setCurrentDetails(running(input, waiting))),
  );
  setCurrentDetails(boundedPage(pageOf(summary)));
  return summary;
}

function pageOf(summary: ExportSummary | ExportSize | ExportLabelSize): string {
  if (!('isDryRun' in summary)) return renderExport(summary);
  return 'labels' in summary ? renderLabelSize(summary) : renderSize(summary);
}

function running(input: ExportInput, waiting: Waiting | null): string {
  const { service, out } = input;
  return [
    `### Training set of ${service}\n\n- ${spineText(input)}${out == null ? '' : `\n- Out: \`${out}\``}`,
    '',
    ...(waiting === null ? ["Running: see the pending activity's heartbeat."] : waitingText(waiting)),
  ].join('\n');
}

/** What is in place of a spine. */
const OF_ENTITIES = ['entitiesOf', 'entities'] as const;
const OF_TIMES = ['every', 'from', 'to'] as const;

function spineText({ labels, spine, entitiesOf, entities, every, from, to, repeatOf }: ExportInput): string {
  if (labels != null) return `Labels: \`${labels}\`${from == null ? '' : `, of decisions from ${from} to ${to}`}`;
  if (spine != null) return `Spine: \`${spine}\``;
  const whose = entitiesOf == null ? entities : `of ${entitiesOf}`;
  return whose == null
    ? `As in \`${repeatOf}\``
    : `Entities: \`${whose}\`${every == null ? '' : `, every ${every} from ${from} to ${to}`}`;
}

/** One spine: of labels, or of entities at times; that of the export to repeat may be left out. */
function checkSpine(given: Given): void {
  for (const name of ['spine', 'labels', ...OF_ENTITIES, ...OF_TIMES]) optionalTextOf(given, name);
  optionalWholeOf(given, 'maxRows', 1);
  const has = (name: string): boolean => given[name] !== undefined && given[name] !== null;
  const of = ['spine', 'labels', ...OF_ENTITIES].filter(has);
  const isRepeat = has('repeatOf');
  if (of.length > 1) throw invalid(`${of.map((name) => `"${name}"`).join(' and ')} exclude each other: give one`);
  if (of.length === 0 && !isRepeat)
    throw invalid(
      '"spine" must be a non-empty string, received nothing (or give "labels", "entitiesOf" or "entities")',
    );
  const isDryRun = optionalFlagOf(given, 'dryRun') === true;
  if (!isDryRun) textOf(given, 'out');
  checkLabels(given, has, of);
  if (of[0] === 'labels') return;
  if (of[0] !== 'spine') {
    const lacking = OF_TIMES.filter((name) => !has(name));
    if (of.length > 0 && !isRepeat && lacking.length > 0)
      throw invalid(`"${of[0]}" needs ${lacking.map((name) => `"${name}"`).join(', ')}: the times of the rows`);
    for (const name of ['requestColumn', 'missing', 'timeAt'])
      if (of.length > 0 && has(name))
        throw invalid(`"${name}" belongs to "spine": rows of entities have times and no requests`);
    return;
  }
  for (const name of [...OF_TIMES, 'maxRows', 'dryRun'])
    if (has(name)) throw invalid(`"${name}" belongs to "entitiesOf" or "entities": a spine has the rows it has`);
}

/** What belongs to labels, and what does not. */
const OF_LABELS = ['asOf', 'model', 'variant', 'shadows'] as const;
const NOT_OF_LABELS = ['every', 'maxRows', 'requestColumn', 'timeColumn', 'timeZone', 'timeAt'] as const;

function checkLabels(given: Given, has: (name: string) => boolean, of: readonly string[]): void {
  for (const name of ['asOf', 'model', 'variant']) optionalTextOf(given, name);
  optionalFlagOf(given, 'shadows');
  if (of[0] !== 'labels') {
    for (const name of OF_LABELS)
      if (has(name)) throw invalid(`"${name}" belongs to "labels": other rows are no decisions`);
    return;
  }
  const lacking = ['from', 'to'].filter((name) => !has(name));
  if (lacking.length > 0)
    throw invalid(`"labels" needs ${lacking.map((name) => `"${name}"`).join(', ')}: the time of the decisions`);
  for (const name of NOT_OF_LABELS)
    if (has(name)) throw invalid(`"${name}" does not belong to "labels": rows are decisions`);
}

function checkInput(input: unknown): asserts input is ExportInput {
  const given = objectOf(input, FIELDS, EXAMPLE);
  textOf(given, 'service');
  checkSpine(given);
  for (const name of ['timeColumn', 'timeZone', 'repeatOf', 'requestColumn']) optionalTextOf(given, name);
  for (const name of ['overwrite', 'compare']) optionalFlagOf(given, name);
  for (const name of ['sample', 'split']) optionalShareOf(given, name);
  const isLabelled = given['labels'] !== undefined && given['labels'] !== null;
  const mode =
    choiceOf(given, 'mode', EXPORT_MODES) ??
    (isLabelled ? ('decided' satisfies ExportMode) : ('event-time' satisfies ExportMode));
  choiceOf(given, 'timeAt', TIME_ATS);
  choiceOf(given, 'missing', ['error', 'null']);
  choiceOf(given, 'onError', ['fail', 'null']);
  if (mode === 'decided' && !isLabelled && given['repeatOf'] === undefined)
    throw invalid('"mode": "decided" belongs to "labels": other rows are no decisions');
  if (given['compare'] === true && mode === 'decided')
    throw invalid('"compare" compares "mode": "as-served" with event-time: give that mode');
  if (mode !== 'event-time') return;
  for (const name of ['requestColumn', 'missing'] as const)
    if (given[name] !== undefined) throw invalid(`"${name}" belongs to "mode": "as-served"`);
  if (given['compare'] === true)
    throw invalid('"compare" compares "mode": "as-served" with event-time: give that mode');
}

function choiceOf(given: Given, name: string, choices: readonly string[]): string | undefined {
  const value = optionalTextOf(given, name);
  if (value === undefined || choices.includes(value)) return value;
  throw invalid(`"${name}" must be ${choices.map((choice) => `"${choice}"`).join(' or ')}, received ${show(value)}`);
}
