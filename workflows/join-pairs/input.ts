import { failure } from '../failure.ts';
import { invalid, isRecord, objectOf, optionalWholeOf, show, textOf } from '../json-input.ts';
import { type PairsOptions, pairsWorkflowId } from './contract.ts';

const SLICE_SECONDS = 600;
const LEAST: Readonly<Record<keyof PairsOptions, number>> = { sliceSeconds: 1, maxHistoryEvents: 20 };

/**
 * Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input` or `workflow-id-mismatch`.
 *
 * @example
 * const { labelSet, options } = checkPairsInput({ labelSet: 'late' }, 'pairs:late', 'millrace');
 */
export function checkPairsInput(
  input: unknown,
  workflowId: string,
  taskQueue: string,
): { labelSet: string; options: PairsOptions } {
  const given = objectOf(input, ['labelSet', 'options'], '{"labelSet":"late"}');
  const labelSet = textOf(given, 'labelSet');
  const asked = given['options'] ?? {};
  if (!isRecord(asked)) throw invalid(`"options" must be an object, received ${show(asked)}`);
  const unknown = Object.keys(asked).find((name) => !(name in LEAST));
  if (unknown !== undefined) throw invalid(`unknown option "${unknown}"; known: ${Object.keys(LEAST).join(', ')}`);
  const whole = (name: keyof PairsOptions): number | null =>
    optionalWholeOf(asked, name, LEAST[name], `option "${name}"`);
  const options: PairsOptions = {
    sliceSeconds: whole('sliceSeconds') ?? SLICE_SECONDS,
    maxHistoryEvents: whole('maxHistoryEvents'),
  };
  const expected = pairsWorkflowId(labelSet, taskQueue);
  if (workflowId !== expected) {
    throw failure(
      'workflow-id-mismatch',
      `the pairs of label set "${labelSet}" must have the workflow id "${expected}", received "${workflowId}"`,
      `Start it with workflow id "${expected}": one owner per label set rests on it.`,
    );
  }
  return { labelSet, options };
}
