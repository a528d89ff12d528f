import type { ResultType } from '../values/result-type.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { FieldType } from '../values/field-type.ts';
import type { SourceCompilation } from './compile-source.ts';
import type { CompiledMonitor } from './compiled-monitor.ts';
import type { ReportFault } from './definition-fault.ts';
import { durationMicros } from './duration.ts';
import type { FeatureService } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import { MONITOR_METRICS, type Monitor, type MonitorMetric } from './monitor.ts';
import type { ServiceParts } from './service-parts.ts';
import type { Source } from './source.ts';
import type { ViewLayout } from './view-layout.ts';

/** What monitors can look at. A view that is at fault itself has no layout. */
export interface MonitoredDefinitions {
  readonly sources: ReadonlyMap<Source, SourceCompilation>;
  readonly layouts: ReadonlyMap<FeatureView, ViewLayout | null>;
  readonly services: ReadonlyMap<FeatureService, ServiceParts>;
}

/** What one definition has that can be looked at. */
interface Monitored {
  readonly place: CompiledMonitor['subject']['place'];
  /** Of its records or reads, … */
  readonly ofRecords: readonly MonitorMetric[];
  readonly fields: ReadonlyMap<string, ResultType | FieldType>;
  readonly hidden: ReadonlySet<string>;
  readonly segments: readonly string[];
}

const OF_FIELDS: readonly MonitorMetric[] = ['coverage', 'mean', 'distance'];
const UNTOLD: ReadonlySet<string> = new Set(['list', 'map', 'array', 'object', 'timestamp']);
const NUMBERS: ReadonlySet<string> = new Set(['int', 'int64', 'double', 'decimal']);
/** Metrics that are no share from 0 to 1. */
const UNBOUNDED: ReadonlySet<MonitorMetric> = new Set(['volume', 'lag', 'mean']);
/** What is told of a view as a whole is what it keeps; of its segments nothing is. */
const OF_VIEW: readonly MonitorMetric[] = ['kept', 'left-out'];

/** Compiles a monitor; its faults go to `report`. Null where it has any, or what it looks at has. */
export function compileMonitor(
  { name, options: given }: Monitor,
  definitions: MonitoredDefinitions,
  report: ReportFault,
): CompiledMonitor | null {
  let isSound = true;
  const note: ReportFault = (code, path, message, remedy) => {
    isSound = false;
    report(code, path, message, remedy);
  };
  const options = given ?? {};
  const { on, field, metric } = options;
  const monitored = monitoredOf(on, definitions, note);
  if (!MONITOR_METRICS.includes(metric))
    note(
      'invalid-monitor',
      'metric',
      `expected a metric, received ${describeReceived(metric)}`,
      listed(MONITOR_METRICS),
    );
  if (monitored === null || !isSound) return null;
  if (field !== undefined) checkField(monitored, field, metric, note);
  else if (!monitored.ofRecords.includes(metric))
    note(
      'invalid-monitor',
      'metric',
      `"${metric}" is nothing that is told of ${on.name} as a whole`,
      `${listed(monitored.ofRecords)} Or name a \`field\`: ${OF_FIELDS.join(', ')}.`,
    );
  const segment = readSegment(monitored, options, note);
  if (metric === 'share' && segment === null && isSound)
    note('invalid-monitor', 'segment', 'a share is that of a segment', "Name one: segment: { origin: 'ATL' }.");
  const { least, most } = readThreshold(options, note);
  if (!isSound) return null;
  const place = monitored.place === 'store' && field === undefined ? 'view' : monitored.place;
  return { name, subject: { place, object: on.name, field: field ?? null, segment }, metric, least, most };
}

function monitoredOf(on: unknown, definitions: MonitoredDefinitions, note: ReportFault): Monitored | null {
  const source = definitions.sources.get(on as Source);
  if (source !== undefined) {
    const { plans, sound } = source;
    if (source.source.monitorBytes === 0)
      note(
        'invalid-monitor',
        'on',
        `source ${source.source.name} is not monitored`,
        'Leave out `monitors: false` there.',
      );
    if (!sound) return null;
    return {
      place: 'source',
      ofRecords: ['volume', 'share', 'invalid', 'left-out', 'lag'],
      fields: new Map(plans.map(({ spec }) => [spec.name, spec.type])),
      hidden: new Set(source.source.sensitive),
      segments: [...(source.source.segments ?? []).map((segment) => segment.name), 'partition'],
    };
  }
  const layout = definitions.layouts.get(on as FeatureView);
  if (layout !== undefined) {
    if (layout === null) return null;
    const fields = new Map(layout.features.map(({ name, result }) => [name, result]));
    const segments = (on as FeatureView).segments ?? [];
    return { place: 'store', ofRecords: OF_VIEW, fields, hidden: new Set(), segments };
  }
  const parts = definitions.services.get(on as FeatureService);
  if (parts !== undefined) return monitoredService(on as FeatureService, parts, definitions.layouts);
  note(
    'invalid-monitor',
    'on',
    `expected a source, view or service that is exported, received ${describeReceived(on)}`,
    'Export it beside the monitor; an import cycle makes it undefined.',
  );
  return null;
}

function monitoredService(
  { name, views, options }: FeatureService,
  { derived }: ServiceParts,
  layouts: MonitoredDefinitions['layouts'],
): Monitored | null {
  const fields = new Map<string, ResultType>(derived.map((plan) => [`${name}.${plan.name}`, plan.type]));
  for (const member of views) {
    const layout = layouts.get(member.kind === 'view-role' ? member.view : member) ?? null;
    if (layout === null) return null;
    for (const feature of layout.features) fields.set(`${member.name}.${feature.name}`, feature.result);
  }
  const segments = options.segments ?? [];
  return {
    place: 'served',
    ofRecords: ['volume', 'share', 'invalid', 'left-out', 'found'],
    fields,
    hidden: new Set(),
    segments,
  };
}

function checkField({ fields, hidden }: Monitored, field: string, metric: MonitorMetric, note: ReportFault): void {
  const type = fields.get(field);
  if (type === undefined) {
    note('unknown-field', 'field', `there is no ${describeReceived(field)}`, listed([...fields.keys()]));
    return;
  }
  const { kind } = type;
  if (!OF_FIELDS.includes(metric))
    note('invalid-monitor', 'metric', `"${metric}" is told of records, not of a field`, listed(OF_FIELDS));
  else if (metric === 'mean' && !NUMBERS.has(kind))
    note('invalid-monitor', 'metric', `field "${field}" is ${kind}, and has no mean`, 'Take coverage or distance.');
  else if (metric === 'distance' && (UNTOLD.has(kind) || hidden.has(field)))
    note('invalid-monitor', 'metric', `of the values of field "${field}" none are kept`, 'Take coverage.');
}

function readSegment(
  { place, segments }: Monitored,
  { on, field, segment }: Monitor['options'],
  note: ReportFault,
): CompiledMonitor['subject']['segment'] {
  if (segment === undefined) return null;
  const given = typeof segment === 'object' && segment !== null ? Object.entries(segment) : [];
  const [[name, value] = [], ...more] = given;
  if (name === undefined || typeof value !== 'string' || more.length > 0)
    note(
      'invalid-monitor',
      'segment',
      `expected one segment and its value, received ${JSON.stringify(segment)}`,
      "Write e.g. segment: { origin: 'ATL' }; of several segments give several monitors.",
    );
  else if (place === 'store' && field === undefined)
    note('invalid-monitor', 'segment', `what ${on.name} keeps is told of the whole alone`, 'Leave the segment out.');
  else if (!segments.includes(name))
    note(
      'invalid-monitor',
      'segment',
      `${on.name} has no segment "${name}"`,
      segments.length === 0 ? `Declare it: segments: ['${name}'].` : listed(segments),
    );
  else if (value === 'other')
    note('invalid-monitor', 'segment', 'what is gathered as `other` is judged by nobody', 'Name a value.');
  else return { name, value };
  return null;
}

function readThreshold({ metric, threshold }: Monitor['options'], note: ReportFault): Bounds {
  const given = (typeof threshold === 'object' ? threshold : null) ?? {};
  const least = readBound('least', given.least, metric, note);
  const most = readBound('most', given.most, metric, note);
  if (given.least === undefined && given.most === undefined)
    note(
      'invalid-monitor',
      'threshold',
      'there is neither `least` nor `most`',
      'Write e.g. threshold: { least: 0.9 }.',
    );
  else if (least !== null && most !== null && least > most)
    note('invalid-monitor', 'threshold', `\`least\` is more than \`most\`: all is an alarm`, 'Swap them.');
  return { least, most };
}

interface Bounds {
  readonly least: number | null;
  readonly most: number | null;
}

function readBound(which: keyof Bounds, given: unknown, metric: MonitorMetric, note: ReportFault): number | null {
  if (given === undefined) return null;
  const path = `threshold.${which}`;
  if (metric === 'lag') {
    const micros = durationMicros(given);
    if (micros !== undefined) return micros / 1000;
    note('invalid-duration', path, `${JSON.stringify(given)} is not a duration`, "Write e.g. most: '10m'.");
  } else if (typeof given !== 'number' || !Number.isFinite(given))
    note('invalid-monitor', path, `expected a number, received ${describeReceived(given)}`, 'Write e.g. 0.9.');
  else if (!UNBOUNDED.has(metric) && (given < 0 || given > 1))
    note('invalid-monitor', path, `"${metric}" is a share from 0 to 1, received ${given}`, 'Write e.g. 0.9.');
  else return given;
  return null;
}

function listed(names: readonly string[]): string {
  return `Name one of: ${names.join(', ')}.`;
}
