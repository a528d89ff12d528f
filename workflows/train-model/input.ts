import { failure } from '../failure.ts';
import {
  type Given,
  invalid,
  isRecord,
  objectOf,
  optionalFlagOf,
  optionalShareOf,
  optionalTextOf,
  optionalWholeOf,
  show,
  textOf,
} from '../json-input.ts';
import {
  SCHEDULED,
  TRAIN_ALIASES,
  TRAIN_APPROVALS,
  type TrainAlias,
  type TrainApproval,
  type TrainEvaluation,
  type TrainInput,
  type TrainMinimum,
  type TrainRows,
} from './contract.ts';
import { EXPORT_MODES } from '../export-training-set/contract.ts';
import { directionOf } from './minimum.ts';
import { durationMsOf, timeOf } from './times.ts';

const OF = ['labels', 'spine', 'entities', 'entitiesOf'] as const;
const ROWS: readonly (keyof TrainRows)[] = [
  ...OF,
  'asOf',
  'decidedBy',
  'variant',
  'shadows',
  'every',
  'from',
  'to',
  'maxRows',
  'timeColumn',
  'timeZone',
  'timeAt',
  'mode',
  'requestColumn',
  'missing',
  'onError',
  'sample',
  'split',
];
const FIELDS: readonly (keyof TrainInput)[] = [
  'model',
  'service',
  'command',
  'workdir',
  'environment',
  'timeout',
  'silence',
  'memoryMb',
  'evaluate',
  'minimum',
  'approve',
  'as',
  'rollout',
  ...ROWS,
];
const EXAMPLE =
  '{"model":"late_flights","service":"delay_model","labels":"late","from":"-90d","to":"now","command":["python","train.py"]}';
/** The longest a command may run: an activity's end, less what comes after it. */
const LONGEST_MS = 7 * 86_400_000;

/** The input with what it leaves out, and its times resolved. */
export interface CheckedTraining {
  readonly model: string;
  readonly service: string;
  readonly rows: TrainRows;
  readonly command: TrainInput['command'];
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly silenceMs: number;
  readonly memoryMb: number | null;
  readonly evaluate: TrainEvaluation;
  readonly minimum: TrainMinimum | null;
  readonly approve: TrainApproval;
  readonly as: TrainAlias;
  readonly rollout: Given | null;
}

/**
 * Checks what a person typed into the start form. Throws a non-retryable failure `invalid-input`.
 *
 * @param startMs from which relative times count
 */
export function checkTrainInput(input: unknown, startMs: number): CheckedTraining {
  const given = objectOf(input, FIELDS, EXAMPLE);
  const rollout = recordOf(given, 'rollout');
  const as = choiceOf(given, 'as', TRAIN_ALIASES) ?? 'challenger';
  const approve =
    choiceOf(given, 'approve', TRAIN_APPROVALS) ??
    (as === 'champion' ? 'before-publish' : rollout === null ? 'never' : 'before-rollout');
  if (approve === 'before-rollout' && rollout === null)
    throw invalid('"approve": "before-rollout" needs "rollout", which is what is approved');
  const timeoutMs = durationMsOf('timeout', optionalTextOf(given, 'timeout') ?? '6h');
  if (timeoutMs > LONGEST_MS) throw invalid(`"timeout" must be at most 7d, received ${show(given['timeout'])}`);
  return {
    model: textOf(given, 'model'),
    service: textOf(given, 'service'),
    rows: rowsOf(given, startMs),
    command: commandOf(given),
    workdir: optionalTextOf(given, 'workdir') ?? '.',
    environment: environmentOf(given),
    timeoutMs,
    silenceMs: durationMsOf('silence', optionalTextOf(given, 'silence') ?? '10m'),
    memoryMb: optionalWholeOf(given, 'memoryMb', 16),
    evaluate: evaluateOf(given),
    minimum: minimumOf(given),
    approve,
    as,
    rollout: rolloutOf(rollout),
  };
}

/**
 * Whose id this run has: `own` of the one training of its model that may run, `scheduled` of what a schedule started, which starts that one. Throws
 * `workflow-id-mismatch` of any other.
 */
export function idKind(model: string, workflowId: string, expected: string): 'own' | 'scheduled' {
  if (workflowId === expected) return 'own';
  if (workflowId.startsWith(`${expected}${SCHEDULED}`)) return 'scheduled';
  throw failure(
    'workflow-id-mismatch',
    `the training of model "${model}" must have the workflow id "${expected}", received "${workflowId}"`,
    `Start it with workflow id "${expected}": a model is trained once at a time by it.`,
  );
}

function rowsOf(given: Given, startMs: number): TrainRows {
  const has = (name: string): boolean => given[name] !== undefined && given[name] !== null;
  const of = OF.filter(has);
  if (of.length !== 1)
    throw invalid(
      `give one of ${OF.map((name) => `"${name}"`).join(', ')}: the rows to train on, received ${of.length === 0 ? 'none' : of.map((name) => `"${name}"`).join(' and ')}`,
    );
  const [kind] = of;
  for (const name of ['from', 'to'])
    if (kind !== 'spine' && !has(name)) throw invalid(`"${kind}" needs "${name}": a time, or as "-90d", "now"`);
    else if (kind === 'spine' && has(name))
      throw invalid(`"${name}" does not go with "spine": a spine has the rows it has`);
  const isGrid = kind === 'entities' || kind === 'entitiesOf';
  if (isGrid && !has('every')) throw invalid(`"${kind}" needs "every": from one step to the next, as "1d"`);
  for (const name of ['every', 'maxRows'])
    if (!isGrid && has(name)) throw invalid(`"${name}" belongs to "entities" or "entitiesOf"`);
  checkLabels(given, has, kind === 'labels');
  for (const name of ['timeColumn', 'timeZone', 'timeAt', 'requestColumn', 'missing', 'mode', 'onError', 'every'])
    optionalTextOf(given, name);
  optionalWholeOf(given, 'maxRows', 1);
  for (const name of ['sample', 'split']) optionalShareOf(given, name);
  choiceOf(given, 'mode', EXPORT_MODES);
  choiceOf(given, 'timeAt', ['start', 'end']);
  choiceOf(given, 'missing', ['error', 'null']);
  choiceOf(given, 'onError', ['fail', 'null']);
  const rows = Object.fromEntries(
    ROWS.filter(has).map((name) => {
      const value = given[name];
      const isTime = (name === 'from' || name === 'to' || name === 'asOf') && typeof value === 'string';
      return [name, isTime ? timeOf(name, value, startMs) : value];
    }),
  );
  for (const name of [...OF, 'from', 'to']) optionalTextOf(rows, name);
  return rows;
}

/** What belongs to labels, and what does not. */
const OF_LABELS = ['asOf', 'decidedBy', 'variant', 'shadows'] as const;
const NOT_OF_LABELS = ['requestColumn', 'timeColumn', 'timeZone', 'timeAt'] as const;

function checkLabels(given: Given, has: (name: string) => boolean, isLabelled: boolean): void {
  for (const name of ['asOf', 'decidedBy', 'variant']) optionalTextOf(given, name);
  optionalFlagOf(given, 'shadows');
  for (const name of isLabelled ? NOT_OF_LABELS : OF_LABELS)
    if (has(name))
      throw invalid(
        isLabelled
          ? `"${name}" does not belong to "labels": rows are decisions`
          : `"${name}" belongs to "labels": other rows are no decisions`,
      );
  if (!isLabelled && given['mode'] === 'decided')
    throw invalid('"mode": "decided" belongs to "labels": other rows are no decisions');
}

function commandOf(given: Given): TrainInput['command'] {
  const { command } = given;
  if (typeof command === 'string' && command.trim() !== '') return command;
  const isList =
    Array.isArray(command) &&
    command.length > 0 &&
    command.every((one): one is string => typeof one === 'string' && !one.includes('\0')) &&
    command[0] !== '';
  if (isList) return command;
  throw invalid(
    `"command" must be a list of a program and its arguments, as ["python","train.py"], or one text for the shell, received ${show(command)}`,
  );
}

function environmentOf(given: Given): Readonly<Record<string, string>> {
  const environment = recordOf(given, 'environment') ?? {};
  const wrong = Object.entries(environment).find(([, value]) => typeof value !== 'string');
  if (wrong !== undefined) throw invalid(`"environment" has texts alone, received ${show(wrong[1])} for ${wrong[0]}`);
  return environment as Readonly<Record<string, string>>;
}

function evaluateOf(given: Given): TrainEvaluation {
  const evaluate = recordOf(given, 'evaluate');
  if (evaluate === null) return {};
  if (given['labels'] === undefined) throw invalid('"evaluate" belongs to "labels": other rows are no decisions');
  const known = ['segments', 'positive'];
  const unknown = Object.keys(evaluate).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`"evaluate" has the unknown field "${unknown}"; known: ${known.join(', ')}`);
  const segments = evaluate['segments'] ?? undefined;
  if (segments !== undefined && !(Array.isArray(segments) && segments.every((one) => typeof one === 'string')))
    throw invalid(`"evaluate.segments" must be a list of texts, received ${show(segments)}`);
  return { segments, positive: optionalTextOf(evaluate, 'positive') };
}

function minimumOf(given: Given): TrainMinimum | null {
  const minimum = recordOf(given, 'minimum');
  if (minimum === null) return null;
  const known = ['measure', 'of', 'atLeast', 'atMost', 'betterThan', 'better'];
  const unknown = Object.keys(minimum).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`"minimum" has the unknown field "${unknown}"; known: ${known.join(', ')}`);
  const measure = textOf(minimum, 'measure');
  for (const name of ['atLeast', 'atMost']) {
    const value = minimum[name];
    if (value !== undefined && value !== null && !(typeof value === 'number' && Number.isFinite(value)))
      throw invalid(`"minimum.${name}" must be a number, received ${show(value)}`);
  }
  const of = choiceOf(minimum, 'of', ['metrics', 'evaluation'] as const);
  if (of === 'evaluation' && given['labels'] === undefined)
    throw invalid('"minimum.of": "evaluation" belongs to "labels": decisions are evaluated');
  const betterThan = choiceOf(minimum, 'betterThan', ['champion', 'base-rate'] as const);
  const better = choiceOf(minimum, 'better', ['lower', 'higher'] as const);
  const bounds = [minimum['atLeast'], minimum['atMost'], betterThan].filter((one) => one !== undefined && one !== null);
  if (bounds.length === 0) throw invalid('"minimum" must have "atLeast", "atMost" or "betterThan"');
  const checked = { ...minimum, measure, better } as TrainMinimum;
  if (betterThan !== undefined && directionOf(checked) === null)
    throw invalid(
      `"minimum.better" must say whether "lower" or "higher" is better of ${show(measure)}: it is not known`,
    );
  return checked;
}

/** What the training itself says of its rollout is not said again. */
function rolloutOf(rollout: Given | null): Given | null {
  for (const name of ['model', 'candidate'])
    if (rollout?.[name] !== undefined) throw invalid(`"rollout.${name}" is what is trained here: leave it out`);
  return rollout;
}

function recordOf(given: Given, name: string): Given | null {
  const value = given[name];
  if (value === undefined || value === null) return null;
  if (isRecord(value)) return value;
  throw invalid(`"${name}" must be an object, received ${show(value)}`);
}

function choiceOf<const Choice extends string>(
  given: Given,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const value = optionalTextOf(given, name);
  if (value === undefined) return undefined;
  const chosen = choices.find((choice) => choice === value);
  if (chosen !== undefined) return chosen;
  throw invalid(`"${name}" must be ${choices.map((choice) => `"${choice}"`).join(' or ')}, received ${show(value)}`);
}
