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
  approval: 'manual',
  autoApproveShare: 0,
  keepPreviousHours: 24,
  maxHistoryEvents: null,
};
/** What is given as a whole number. */
type Whole = Exclude<keyof LifecycleOptions, 'approval' | 'autoApproveShare' | 'keepPreviousHours'>;

const LEAST: Readonly<Record<Whole, number>> = {
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
    if (!(name in DEFAULTS)) throw invalid(`unknown option "${name}"; known: ${Object.keys(DEFAULTS).join(', ')}`);
  }
  const catchUpLag = whole(given, 'catchUpLag');
  return {
    shards: whole(given, 'shards') ?? DEFAULTS.shards,
    sliceSeconds: whole(given, 'sliceSeconds') ?? DEFAULTS.sliceSeconds,
    catchUpLag: catchUpLag ?? DEFAULTS.catchUpLag,
    // Whoever says how many means these.
    catchUpSeconds: whole(given, 'catchUpSeconds') ?? (catchUpLag === null ? DEFAULTS.catchUpSeconds : 0),
    proofEntities: whole(given, 'proofEntities') ?? DEFAULTS.proofEntities,
    approval: approvalOf(given['approval']),
    autoApproveShare: numberOf(given, 'autoApproveShare', 1),
    keepPreviousHours: numberOf(given, 'keepPreviousHours', MOST_HOURS),
    maxHistoryEvents: whole(given, 'maxHistoryEvents'),
  };
}

function approvalOf(given: unknown): LifecycleOptions['approval'] {
  if (given === undefined || given === null) return DEFAULTS.approval;
  if (given === 'manual' || given === 'auto') return given;
  throw invalid(`option "approval" must be "manual" or "auto", received ${show(given)}`);
}

/** A year: a version that is kept costs what a served one does. */
const MOST_HOURS = 8_784;

function numberOf(given: Given, name: 'autoApproveShare' | 'keepPreviousHours', most: number): number {
  const value = given[name];
  if (value === undefined || value === null) return DEFAULTS[name];
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw invalid(`option "${name}" must be a number from 0 to ${most}, received ${show(value)}`);
}

function whole(given: Given, name: Whole): number | null {
  return optionalWholeOf(given, name, LEAST[name], `option "${name}"`);
}
