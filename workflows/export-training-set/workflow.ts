import { boundedPage } from '../bounded.ts';
import { setCurrentDetails } from '@temporalio/workflow';
import { batch, batchOptions } from '../activity-profiles.ts';
import { EXPORT_MODES, type ExportInput, type ExportMode, type ExportSummary, TIME_ATS } from './contract.ts';
import {
  type Given,
  invalid,
  objectOf,
  optionalFlagOf,
  optionalShareOf,
  optionalTextOf,
  show,
  textOf,
} from '../json-input.ts';
import { byThisRelease } from '../other-release.ts';
import { waitingText } from '../page-text.ts';
import { type Waiting, WaitLane } from '../waits.ts';
import { renderExport } from './page.ts';

const FIELDS: readonly (keyof ExportInput)[] = [
  'service',
  'spine',
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
 * answered (`as-served`). Started with `{"service": "delay_model", "spine": "labels.parquet", "out": "train.parquet"}` on task queue
 * `millrace`. Progress stands in the heartbeat of its activity.
 */
export async function exportTrainingSet(input: ExportInput): Promise<ExportSummary> {
  checkInput(input);
  const { service } = input;
  setCurrentDetails(running(input, null));
  const summary = await byThisRelease(
    () => batch.exportTrainingSet.executeWithOptions(batchOptions(`export ${service}`), [input]),
    new WaitLane('export', 'what-passes', (_, waiting) => setCurrentDetails(running(input, waiting))),
  );
  setCurrentDetails(boundedPage(renderExport(summary)));
  return summary;
}

function running({ service, spine, out }: ExportInput, waiting: Waiting | null): string {
  return [
    `### Training set of ${service}\n\n- Spine: \`${spine}\`\n- Out: \`${out}\``,
    '',
    ...(waiting === null ? ["Running: see the pending activity's heartbeat."] : waitingText(waiting)),
  ].join('\n');
}

function checkInput(input: unknown): asserts input is ExportInput {
  const given = objectOf(input, FIELDS, EXAMPLE);
  for (const name of ['service', 'spine', 'out']) textOf(given, name);
  for (const name of ['timeColumn', 'timeZone', 'repeatOf', 'requestColumn']) optionalTextOf(given, name);
  for (const name of ['overwrite', 'compare']) optionalFlagOf(given, name);
  for (const name of ['sample', 'split']) optionalShareOf(given, name);
  const mode = choiceOf(given, 'mode', EXPORT_MODES) ?? ('event-time' satisfies ExportMode);
  choiceOf(given, 'timeAt', TIME_ATS);
  choiceOf(given, 'missing', ['error', 'null']);
  choiceOf(given, 'onError', ['fail', 'null']);
  if (mode === 'as-served') return;
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
