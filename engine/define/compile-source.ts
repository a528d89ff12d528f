import { contractOf } from '../contract/compile-contract.ts';
import type { CompiledContract } from '../contract/compiled-contract.ts';
import { checkedContract } from '../contract/row-check.ts';
import { hushedContract } from '../contract/hush-reasons.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import { installationNamed } from '../installation/installation-named.ts';
import { readSchema } from '../contract/read-schema.ts';
import { nameOfType } from '../values/type-name.ts';
import { eventTimePlan } from './event-time.ts';
import type { CompiledSource } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import { reportSaid } from './decision-faults.ts';
import { SAID_CHECKS } from './decision-rules.ts';
import { durationMicros } from './duration.ts';
import { compileHistory } from './compile-history.ts';
import { readSegments } from './compile-segments.ts';
import { reportLikeNames } from './like-names.ts';
import { nameFault } from './names.ts';
import type { Source } from './source.ts';

/** A source ready to run, with what compiling views over it needs. */
export interface SourceCompilation {
  readonly source: CompiledSource;
  readonly plans: readonly FieldPlan[];
  readonly fields: ReadonlyMap<string, FieldPlan>;
  /** Whether its contract was read without a fault, so that rows can be made for the probe. */
  readonly sound: boolean;
}

const HOUR_US = 3_600_000_000;
const LEAST_MONITOR_BYTES = 1 << 20;
const idKinds = new Set(['string', 'enum', 'int', 'int64']);

/**
 * Compiles a source; `baseFolder` is what its history path is relative to.
 *
 * @param stored its contract, where that was read before: the schema is not asked then
 */
export function compileSource(
  definition: Source,
  baseFolder: string,
  report: ReportFault,
  stored?: readonly FieldPlan[],
): SourceCompilation {
  const { options } = definition;
  const name = nameFault(definition.name);
  if (name !== null) report('invalid-name', 'name', name, 'Use snake_case of at most 40 characters.');
  const finerThanMicros = readFinerThanMicros(options.finerThanMicros, report);
  const read = stored === undefined ? readSchema(options.schema, { finerThanMicros }) : { plans: stored, faults: [] };
  const { faults } = read;
  const plans = read.plans.map((plan) => (plan.spec.name === options.eventTime ? eventTimePlan(plan) : plan));
  for (const fault of faults) {
    report('unsupported-contract', fault.path === '' ? 'schema' : `schema.${fault.path}`, fault.message, fault.remedy);
  }
  const fields = new Map(plans.map((plan) => [plan.spec.name, plan]));
  const sound = faults.length === 0;
  checkField(
    fields,
    'eventTime',
    options.eventTime,
    new Set(['timestamp', 'date']),
    'a z.iso.datetime(), an epoch(…) or a z.iso.date()',
    report,
  );
  reportLikeNames(plans, 'schema', report);
  const eventTimeAt = readEventTimeAt(options.eventTimeAt, fields.get(options.eventTime), report);
  if (options.eventId !== undefined) {
    checkField(fields, 'eventId', options.eventId, idKinds, 'a string, enum, int or int64', report);
  }
  const topic = topicOf(definition);
  if (topic === undefined && options.history === undefined) {
    report('no-log', '', 'has neither a topic nor a history', 'Give `topic`, `history: { path }`, or both.');
  }
  if (topic !== undefined && !/^[a-zA-Z0-9._-]{1,249}$/.test(topic)) {
    report('invalid-topic', 'topic', `"${topic}" is no Kafka topic name`, 'Use letters, digits, ".", "_" and "-".');
  }
  reportSaid(definition, fields, report);
  const sensitive = readSensitive(options, fields, report);
  const source: CompiledSource = {
    name: definition.name,
    ...(definition.says === undefined ? {} : { says: definition.says }),
    contract: hushedContract(contractOfSource(definition, plans), new Set(sensitive)),
    eventTimeField: options.eventTime,
    eventTimeAt,
    eventIdField: options.eventId ?? null,
    topic: topic ?? null,
    headers: readHeaderNames(options, fields, report),
    history: compileHistory(options.history, baseFolder, fields, new Set(sensitive), report),
    ...(sensitive.length === 0 ? {} : { sensitive }),
    dedupeHorizonUs: readDuration('dedupeHorizon', options.dedupeHorizon, 24 * HOUR_US, report),
    maxAheadUs:
      options.maxAhead === false
        ? Number.POSITIVE_INFINITY
        : readDuration('maxAhead', options.maxAhead, HOUR_US, report),
    brokerTime: readBrokerTime(options.brokerTime, report),
    finerThanMicros,
    invalidLimit: readLimit(options.invalidLimit, report),
    ...segmentsOf(options, fields, sensitive, report),
    ...readMonitors(options.monitors, report),
  };
  return { source, plans, fields, sound };
}

function segmentsOf(
  options: Source['options'],
  fields: ReadonlyMap<string, FieldPlan>,
  sensitive: readonly string[],
  report: ReportFault,
): Pick<CompiledSource, 'segments'> {
  const segments = readSegments(options, fields, sensitive, report);
  return segments.length === 0 ? {} : { segments };
}

function readMonitors(
  monitors: Source['options']['monitors'],
  report: ReportFault,
): Pick<CompiledSource, 'monitorBytes'> {
  if (monitors === undefined) return {};
  if (monitors === false) return { monitorBytes: 0 };
  const bytes: unknown = (monitors as { readonly budgetBytes?: unknown } | null)?.budgetBytes;
  if (Number.isSafeInteger(bytes) && (bytes as number) >= LEAST_MONITOR_BYTES) return { monitorBytes: bytes as number };
  report(
    'invalid-monitors',
    'monitors',
    `expected false, or { budgetBytes } of at least ${LEAST_MONITOR_BYTES}, received ${JSON.stringify(monitors)}`,
    'Give e.g. monitors: { budgetBytes: 512 * 1024 * 1024 }, or leave it out: 256 MB.',
  );
  return {};
}

/** Decisions and outcomes have a topic of the installation, as have the pairs of a label set. */
function topicOf({ says, pairsOf, options }: Source): string | undefined {
  if (pairsOf !== undefined) return installationNamed().pairsTopic(pairsOf);
  if (options.topic !== undefined || says === undefined) return options.topic;
  const { decisionsTopic, outcomesTopic } = installationNamed();
  return says === 'decisions' ? decisionsTopic : outcomesTopic;
}

function contractOfSource({ says }: Source, plans: readonly FieldPlan[]): CompiledContract {
  const contract = contractOf(plans);
  return says === undefined ? contract : checkedContract(contract, SAID_CHECKS[says]);
}

function checkField(
  fields: ReadonlyMap<string, FieldPlan>,
  path: string,
  name: string,
  kinds: ReadonlySet<string>,
  expected: string,
  report: ReportFault,
): void {
  const plan = fields.get(name);
  if (plan === undefined) {
    report('unknown-field', path, `no field "${name}" in the schema`, `Name one of: ${[...fields.keys()].join(', ')}.`);
    return;
  }
  if (!kinds.has(plan.spec.type.kind)) {
    report(
      'wrong-field-type',
      path,
      `field "${name}" is ${kindName(plan)}, expected ${expected}`,
      'Name another field, or change its type.',
    );
  }
  if (plan.spec.nullable || plan.spec.optional) {
    report(
      'wrong-field-type',
      path,
      `field "${name}" may be missing or null`,
      'Make it required: every event has one.',
    );
  }
}

function readEventTimeAt(
  at: Source['options']['eventTimeAt'],
  plan: FieldPlan | undefined,
  report: ReportFault,
): 'start' | 'end' | undefined {
  const isDate = plan?.spec.type.kind === 'date';
  const example =
    "Give eventTimeAt: 'end' where a row is known once its day is over (a summary of the day), 'start' where it holds from the day's first instant.";
  if (at !== undefined && at !== 'start' && at !== 'end') {
    report(
      'invalid-event-time-at',
      'eventTimeAt',
      `expected 'start' or 'end', received ${JSON.stringify(at)}`,
      example,
    );
    return undefined;
  }
  if (isDate && at === undefined) {
    report(
      'invalid-event-time-at',
      'eventTimeAt',
      `field "${plan.spec.name}" is a date, and a date is no instant: it does not say when the row was known`,
      example,
    );
  }
  if (!isDate && at !== undefined && plan !== undefined) {
    report(
      'invalid-event-time-at',
      'eventTimeAt',
      `field "${plan.spec.name}" is ${kindName(plan)}, an instant already`,
      'Leave `eventTimeAt` out: it is for a z.iso.date().',
    );
  }
  return isDate ? at : undefined;
}

function readFinerThanMicros(finer: Source['options']['finerThanMicros'], report: ReportFault): 'truncate' | undefined {
  if (finer === undefined || finer === 'truncate') return finer;
  report(
    'invalid-finer-than-micros',
    'finerThanMicros',
    `expected 'truncate', received ${JSON.stringify(finer)}`,
    'Leave it out where digits finer than a microsecond are a mistake.',
  );
  return undefined;
}

function readSensitive(
  { sensitive = [], eventTime, history }: Source['options'],
  fields: ReadonlyMap<string, FieldPlan>,
  report: ReportFault,
): readonly string[] {
  const fault = (message: string, remedy: string): void => report('invalid-sensitive', 'sensitive', message, remedy);
  if (!Array.isArray(sensitive)) {
    fault(`expected a list of field names, received ${JSON.stringify(sensitive)}`, "Give e.g. sensitive: ['email'].");
    return [];
  }
  for (const name of sensitive as readonly unknown[]) {
    if (typeof name !== 'string' || !fields.has(name))
      fault(`no field ${JSON.stringify(name)} in the schema`, `Name some of: ${[...fields.keys()].join(', ')}.`);
    else if (name === eventTime)
      fault(`field "${name}" is the event time, which every state and message goes by`, 'Leave it out.');
    else if (history?.partitions?.includes(name) === true)
      fault(`field "${name}" is a folder of the history's paths, and paths are shown`, 'Keep it in the files.');
  }
  return [...new Set(sensitive as readonly string[])];
}

/** A field's type in words. */
export function kindName(plan: FieldPlan): string {
  const { type } = plan.spec;
  if (type.kind === 'array') return 'a list';
  return type.kind === 'object' ? 'an object' : nameOfType(type);
}

/** Archive columns are told apart without regard to case, as SQL does. */
function readHeaderNames(
  { headers, topic }: Source['options'],
  fields: ReadonlyMap<string, FieldPlan>,
  report: ReportFault,
): readonly string[] {
  if (headers === undefined) return [];
  if (
    !Array.isArray(headers) ||
    headers.some((name) => typeof name !== 'string' || !/^[\x21-\x7e]{1,100}$/.test(name))
  ) {
    report(
      'invalid-header',
      'headers',
      `expected names of 1 to 100 visible ASCII characters, received ${JSON.stringify(headers)}`,
      "Give e.g. headers: ['trace_id'].",
    );
    return [];
  }
  if (topic === undefined)
    report(
      'invalid-header',
      'headers',
      'headers are named, and there is no topic',
      'Give `topic`, or leave `headers` out.',
    );
  const columns = new Map([...fields.keys()].map((name) => [name.toLowerCase(), `field "${name}"`]));
  for (const name of headers) {
    const column = `header_${name.toLowerCase()}`;
    const other = columns.get(column);
    if (other !== undefined)
      report(
        'duplicate-header',
        'headers',
        `header "${name}" clashes with ${other}: both are column ${column}`,
        'Name each once; rename the field.',
      );
    columns.set(column, `header "${name}"`);
  }
  return [...headers];
}

function readDuration(path: string, text: string | undefined, preset: number, report: ReportFault): number {
  if (text === undefined) return preset;
  const micros = durationMicros(text);
  if (micros === undefined) {
    report(
      'invalid-duration',
      path,
      `${JSON.stringify(text)} is not a duration`,
      "Write a whole number and a unit: '24h', '90s'.",
    );
  }
  return micros ?? preset;
}

function readBrokerTime(brokerTime: Source['options']['brokerTime'], report: ReportFault): 'record' | 'none' {
  if (brokerTime !== undefined && brokerTime !== 'none') {
    report(
      'invalid-broker-time',
      'brokerTime',
      `expected 'none', received ${JSON.stringify(brokerTime)}`,
      "Give brokerTime: 'none' where the topic's records have no broker timestamps, or leave it out.",
    );
  }
  return brokerTime === 'none' ? 'none' : 'record';
}

function readLimit(limit: Source['options']['invalidLimit'], report: ReportFault): CompiledSource['invalidLimit'] {
  const preset = { rate: 0.1, window: 1000 };
  if (limit === undefined) return preset;
  const sound = limit.rate >= 0 && limit.rate <= 1 && Number.isSafeInteger(limit.window) && limit.window >= 1;
  if (sound) return { rate: limit.rate, window: limit.window };
  report(
    'invalid-limit',
    'invalidLimit',
    `expected a rate from 0 to 1 and a window of at least 1 record, received ${JSON.stringify(limit)}`,
    'Give e.g. invalidLimit: { rate: 0.1, window: 1000 }.',
  );
  return preset;
}
