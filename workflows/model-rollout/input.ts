import type { RolloutMeasure, RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import type { InstallationNames } from '../../engine/installation/installation-names.ts';
import { failure } from '../failure.ts';
import {
  type Given,
  invalid,
  isRecord,
  objectOf,
  optionalShareOf,
  optionalTextOf,
  optionalWholeOf,
  show,
  textOf,
} from '../json-input.ts';
import type { RolloutAsked, RolloutInput, RolloutOptions } from './contract.ts';
import { guardrailsOf } from './guardrail-input.ts';
import { durationMs, oneOf, textsOf } from './input-fields.ts';
import { stagesOf } from './stage-input.ts';

const EXAMPLE = '{"model":"late","decisions":"delay_decisions","labels":"late","metric":{"measure":"log-loss"}}';
const FIELDS: readonly (keyof RolloutInput)[] = [
  'model',
  'candidate',
  'against',
  'decisions',
  'labels',
  'units',
  'metric',
  'stages',
  'guardrails',
  'segments',
  'observe',
  'alpha',
  'mode',
  'every',
  'floor',
  'options',
];
const OPTIONS: readonly (keyof RolloutOptions)[] = ['evaluateSeconds', 'maxHistoryEvents'];
/** What can be measured, and which way of it is good unless it is said. */
const MEASURES: Readonly<Record<RolloutMeasure, 'higher' | 'lower' | null>> = {
  label: null,
  score: null,
  'log-loss': 'lower',
  brier: 'lower',
  'absolute-error': 'lower',
};
const EVALUATE_SECONDS = 60;
const ALPHA = 0.05;
const FLOOR = 0.05;

/**
 * Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input` or `workflow-id-mismatch`.
 *
 * @example
 * const asked = checkRolloutInput({ model: 'late', decisions: 'd', labels: 'late', metric: { measure: 'log-loss' } }, 'rollout:late', names);
 */
export function checkRolloutInput(input: unknown, workflowId: string, names: InstallationNames): RolloutAsked {
  const given = objectOf(input, FIELDS, EXAMPLE);
  const model = textOf(given, 'model');
  const expected = names.rolloutId(model);
  if (workflowId !== expected) {
    throw failure(
      'workflow-id-mismatch',
      `the rollout of model "${model}" must have the workflow id "${expected}", received "${workflowId}"`,
      `Start it with workflow id "${expected}": a model has one rollout at a time.`,
    );
  }
  const mode = oneOf(given, 'mode', ['stages', 'bandit'] as const, 'stages');
  if (mode === 'stages')
    for (const name of ['every', 'floor'])
      if (given[name] != null) throw invalid(`"${name}" is of a bandit: expected "mode": "bandit" beside it`);
  const floor = optionalShareOf(given, 'floor') ?? FLOOR;
  if (floor > 0.5) throw invalid(`"floor" must leave room for two variants, at most 0.5, received ${floor}`);
  const segments = textsOf(given, 'segments');
  const rule: RolloutRule = {
    metric: metricOf(given),
    stages: stagesOf(given, mode),
    guardrails: guardrailsOf(given, segments),
    segments,
    observeUs: durationMs(given, 'observe', '1d') * 1000,
    alpha: optionalShareOf(given, 'alpha') ?? ALPHA,
    mode,
    floor,
  };
  // In shadow nothing the candidate decides is done, and labels are those of the other's decisions.
  if (rule.metric.measure === 'label' && rule.stages.every(({ share }) => share === 0))
    throw invalid(
      '"label" tells nothing in shadow: expected a stage with a share above 0, or another "metric.measure"',
    );
  return {
    model,
    candidate: versionOf(given, 'candidate', 'challenger'),
    against: versionOf(given, 'against', 'champion'),
    decisions: textOf(given, 'decisions'),
    labels: textOf(given, 'labels'),
    units: optionalTextOf(given, 'units') ?? 'unit',
    rule,
    everyMs: durationMs(given, 'every', '10m'),
    options: optionsOf(given['options'] ?? {}),
  };
}

function metricOf(given: Given): RolloutRule['metric'] {
  const metric = given['metric'];
  if (!isRecord(metric))
    throw invalid(`"metric" must be an object like {"measure":"log-loss"}, received ${show(metric)}`);
  objectOf(metric, ['measure', 'better'], '{"measure":"log-loss"}');
  const measure = oneOf(metric, 'measure', Object.keys(MEASURES) as RolloutMeasure[], undefined, 'metric.measure');
  const better = oneOf(metric, 'better', ['higher', 'lower'] as const, MEASURES[measure] ?? undefined, 'metric.better');
  return { measure, better };
}

function versionOf<Alias extends string>(given: Given, name: string, alias: Alias): number | Alias {
  const value = given[name] ?? alias;
  if (value === alias || (typeof value === 'number' && Number.isSafeInteger(value) && value > 0))
    return value as number | Alias;
  throw invalid(`"${name}" must be the number of a version, or "${alias}", received ${show(value)}`);
}

function optionsOf(asked: unknown): RolloutOptions {
  if (!isRecord(asked)) throw invalid(`"options" must be an object, received ${show(asked)}`);
  const unknown = Object.keys(asked).find((name) => !OPTIONS.some((known) => known === name));
  if (unknown !== undefined) throw invalid(`unknown option "${unknown}"; known: ${OPTIONS.join(', ')}`);
  return {
    evaluateSeconds: optionalWholeOf(asked, 'evaluateSeconds', 1, 'option "evaluateSeconds"') ?? EVALUATE_SECONDS,
    maxHistoryEvents: optionalWholeOf(asked, 'maxHistoryEvents', 40, 'option "maxHistoryEvents"'),
  };
}
