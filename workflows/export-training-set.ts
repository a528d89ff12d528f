import { setCurrentDetails } from '@temporalio/workflow';
import { batch, batchOptions } from './activity-profiles.ts';
import type { ExportInput, ExportSummary } from './contracts.ts';
import { failure } from './lifecycle-input.ts';

const FIELDS = ['service', 'spine', 'out', 'timeColumn', 'mode', 'overwrite', 'repeatOf'];

/**
 * Exports a training set: every row of the spine, with each feature as it was known at that row's time. Started with
 * `{"service": "delay_model", "spine": "labels.parquet", "out": "train.parquet"}` on task queue `millrace`. Progress stands in the
 * heartbeat of its activity.
 */
export async function exportTrainingSet(input: ExportInput): Promise<ExportSummary> {
  checkInput(input);
  const { service, spine, out } = input;
  setCurrentDetails(
    `### Training set of ${service}\n\n- Spine: \`${spine}\`\n- Out: \`${out}\`\n\nRunning: see the pending activity's heartbeat.`,
  );
  const summary = await batch.exportTrainingSet.executeWithOptions(batchOptions(`export ${service}`), [input]);
  setCurrentDetails(
    `### Training set of ${service}: done\n\n- Rows: **${summary.rows}**\n- Features: **${summary.features.length}**\n- File: \`${summary.out}\`\n- Manifest: \`${summary.manifest}\`\n- SHA-256: \`${summary.sha256}\``,
  );
  return summary;
}

function checkInput(input: unknown): asserts input is ExportInput {
  const refuse = (message: string): never => {
    throw failure('invalid-input', message, 'Correct the JSON input and start the workflow again.');
  };
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    refuse('expected one JSON object like {"service":"delay_model","spine":"labels.parquet","out":"train.parquet"}');
    return;
  }
  const given: Readonly<Record<string, unknown>> = { ...input };
  for (const name of Object.keys(given))
    if (!FIELDS.includes(name)) refuse(`unknown field "${name}"; known: ${FIELDS.join(', ')}`);
  for (const name of ['service', 'spine', 'out']) {
    if (typeof given[name] !== 'string' || given[name] === '') refuse(`"${name}" must be a non-empty string`);
  }
  for (const name of ['timeColumn', 'repeatOf']) {
    if (given[name] !== undefined && typeof given[name] !== 'string') refuse(`"${name}" must be a string`);
  }
  if (given['overwrite'] !== undefined && typeof given['overwrite'] !== 'boolean')
    refuse('"overwrite" must be true or false');
  if (given['mode'] !== undefined && given['mode'] !== 'event-time')
    refuse(`"mode" must be "event-time", received ${JSON.stringify(given['mode'])}`);
}
