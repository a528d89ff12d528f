import { type ArchiveOptions, archiveWorkflowId } from './contract.ts';
import { failure } from '../failure.ts';
import { invalid, isRecord, objectOf, optionalWholeOf, show, textOf } from '../json-input.ts';

const SLICE_SECONDS = 600;
const LEAST: Readonly<Record<keyof ArchiveOptions, number>> = {
  sliceSeconds: 1,
  rollRows: 1,
  rollSeconds: 1,
  maxHistoryEvents: 20,
};

/**
 * Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input` or `workflow-id-mismatch`.
 *
 * @example
 * const { source, options } = checkArchiveInput({ source: 'flights' }, 'archive:flights', 'millrace');
 */
export function checkArchiveInput(
  input: unknown,
  workflowId: string,
  taskQueue: string,
): { source: string; options: ArchiveOptions } {
  const given = objectOf(input, ['source', 'options'], '{"source":"flights"}');
  const source = textOf(given, 'source');
  const asked = given['options'] ?? {};
  if (!isRecord(asked)) throw invalid(`"options" must be an object, received ${show(asked)}`);
  const unknown = Object.keys(asked).find((name) => !(name in LEAST));
  if (unknown !== undefined) throw invalid(`unknown option "${unknown}"; known: ${Object.keys(LEAST).join(', ')}`);
  const whole = (name: keyof ArchiveOptions): number | null =>
    optionalWholeOf(asked, name, LEAST[name], `option "${name}"`);
  const options: ArchiveOptions = {
    sliceSeconds: whole('sliceSeconds') ?? SLICE_SECONDS,
    rollRows: whole('rollRows'),
    rollSeconds: whole('rollSeconds'),
    maxHistoryEvents: whole('maxHistoryEvents'),
  };
  const expected = archiveWorkflowId(source, taskQueue);
  if (workflowId !== expected) {
    throw failure(
      'workflow-id-mismatch',
      `the archive of source "${source}" must have the workflow id "${expected}", received "${workflowId}"`,
      `Start it with workflow id "${expected}": one owner per source rests on it.`,
    );
  }
  return { source, options };
}
