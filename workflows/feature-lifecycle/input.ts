import type { InstallationNames } from '../../engine/installation/installation-names.ts';
import type { LifecycleOptions } from './contract.ts';
import { failure } from '../failure.ts';
import { type Given, invalid, isRecord, optionalWholeOf, show } from '../json-input.ts';

const DEFAULTS: LifecycleOptions = {
  shards: 1,
  sliceSeconds: 1800,
  catchUpLag: 1000,
  catchUpSeconds: 5,
  proofEntities: 200_000,
  maxHistoryEvents: null,
};
const LEAST: Readonly<Record<keyof LifecycleOptions, number>> = {
  shards: 1,
  sliceSeconds: 1,
  catchUpLag: 0,
  catchUpSeconds: 0,
  proofEntities: 0,
  maxHistoryEvents: 20,
};

/**
 * Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input` or `workflow-id-mismatch`.
 *
 * @example
 * const { view, options } = checkLifecycleInput({ view: 'route_delays' }, 'feature:route_delays', installationNames());
 */
export function checkLifecycleInput(
  input: unknown,
  workflowId: string,
  names: InstallationNames,
): { view: string; options: LifecycleOptions } {
  if (!isRecord(input)) throw invalid(`expected one JSON object like {"view":"route_delays"}, received ${show(input)}`);
  for (const name of Object.keys(input)) {
    if (name !== 'view' && name !== 'options')
      throw invalid(`unknown field "${name}"; expected "view" and, optionally, "options"`);
  }
  const { view } = input;
  if (typeof view !== 'string' || view === '')
    throw invalid(`"view" must be the name of a view, received ${show(view)}`);
  const options = checkOptions(input['options']);
  const expected = names.lifecycleId(view);
  if (workflowId !== expected) {
    throw failure(
      'workflow-id-mismatch',
      `the lifecycle of view "${view}" must have the workflow id "${expected}", received "${workflowId}"`,
      `Start it with workflow id "${expected}": one owner per view rests on it.`,
    );
  }
  return { view, options };
}

function checkOptions(given: unknown): LifecycleOptions {
  if (given === undefined || given === null) return DEFAULTS;
  if (!isRecord(given)) throw invalid(`"options" must be an object, received ${show(given)}`);
  for (const name of Object.keys(given)) {
    if (!(name in LEAST)) throw invalid(`unknown option "${name}"; known: ${Object.keys(LEAST).join(', ')}`);
  }
  const catchUpLag = whole(given, 'catchUpLag');
  return {
    shards: whole(given, 'shards') ?? DEFAULTS.shards,
    sliceSeconds: whole(given, 'sliceSeconds') ?? DEFAULTS.sliceSeconds,
    catchUpLag: catchUpLag ?? DEFAULTS.catchUpLag,
    // Whoever says how many means these.
    catchUpSeconds: whole(given, 'catchUpSeconds') ?? (catchUpLag === null ? DEFAULTS.catchUpSeconds : 0),
    proofEntities: whole(given, 'proofEntities') ?? DEFAULTS.proofEntities,
    maxHistoryEvents: whole(given, 'maxHistoryEvents'),
  };
}

function whole(given: Given, name: keyof LifecycleOptions): number | null {
  return optionalWholeOf(given, name, LEAST[name], `option "${name}"`);
}
