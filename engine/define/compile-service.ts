import type { DerivedPlan } from '../derived/derive-step.ts';
import { functionText } from '../code/function-text.ts';
import { storedField } from '../contract/stored-field.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { nameOfType } from '../values/type-name.ts';
import { codeDigest } from './code-identity.ts';
import type { DefinitionCode } from './definition-code.ts';
import { tagOf } from './tag-of.ts';
import type { KeyPlan } from './compile-view.ts';
import type { CompiledService, CompiledView } from './compiled-view.ts';
import { type DefinitionFault, faultReporter, type ReportFault } from './definition-fault.ts';
import type { Entity } from './entity.ts';
import type { FeatureService, ServiceMember } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import { readKeySegments } from './compile-segments.ts';
import { columnFault, nameFault } from './names.ts';
import { type ProbedService, probeService } from './probe-service.ts';
import { blockOf } from './service-blocks.ts';
import { type ServiceParts, servicePartsOf, viewOf } from './service-parts.ts';
import { keyColumns } from './view-role.ts';

/** What services are made of. */
interface Parts {
  readonly views: ReadonlySet<FeatureView>;
  readonly entities: ReadonlyMap<Entity, readonly KeyPlan[]>;
}

/** Judges services, and reports what is wrong with them. */
export function checkServices(
  services: Iterable<FeatureService>,
  parts: Parts,
  faults: DefinitionFault[],
): Map<FeatureService, ServiceParts> {
  return new Map(
    [...services].map((service) => [
      service,
      checkService(service, parts, faultReporter(faults, 'feature service', service.name)),
    ]),
  );
}

/** Runs what services derive on samples, where their views are sound. */
export function probeServices(
  services: ReadonlyMap<FeatureService, ServiceParts>,
  compiled: ReadonlyMap<FeatureView, ProbedService['blocks'][number]['view']>,
  faults: DefinitionFault[],
): void {
  for (const [service, parts] of services) {
    if (parts.derived.length === 0) continue;
    const blocks = service.views.flatMap((member) => {
      const view = compiled.get(viewOf(member));
      return view === undefined ? [] : [{ name: member.name, view }];
    });
    if (blocks.length === service.views.length)
      probeService({ name: service.name, blocks, ...parts }, faultReporter(faults, 'feature service', service.name));
  }
}

/** A service without faults, over its compiled views. */
export function compileService(
  service: FeatureService,
  compiled: ReadonlyMap<FeatureView, CompiledView>,
  parts: ServiceParts,
): CompiledService {
  const blocks = service.views.flatMap((member) => {
    const view = compiled.get(viewOf(member));
    if (view === undefined) return [];
    return member.kind === 'view-role' ? blockOf(view, member.name, member.columns) : blockOf(view);
  });
  const { request, derived } = parts;
  const { segments = [] } = service.options;
  return {
    name: service.name,
    blocks,
    ...(request.length === 0 ? {} : { request }),
    ...(derived.length === 0 ? {} : { derived: hushedWhere(blocks, derived) }),
    servingLog: service.options.servingLog,
    ...(segments.length === 0 ? {} : { segments }),
  };
}

/** What the derived features of a service are told by: their code with all it uses, their types, and the request. */
export function derivedTag(
  { request, derived }: ServiceParts,
  code: DefinitionCode | null,
): { readonly derivedTag?: string } {
  if (derived.length === 0) return {};
  const texts = code === null ? derived.map(({ compute }) => functionText(compute)) : codeDigest(code);
  const features = derived.map(({ name, type, block }) => ({ name, type, block }));
  return { derivedTag: tagOf({ code: texts, features, request: request.map(storedField) }) };
}

/** What is logged of inputs is hashed where any of the views is made of sensitive fields. */
function hushedWhere(blocks: CompiledService['blocks'], plans: readonly DerivedPlan[]): readonly DerivedPlan[] {
  const isSensitive = blocks.some(({ view }) => (view.source.sensitive ?? []).length > 0);
  return isSensitive ? plans.map((plan) => ({ ...plan, hushed: true as const })) : plans;
}

function checkService(service: FeatureService, parts: Parts, report: ReportFault): ServiceParts {
  const name = nameFault(service.name);
  if (name !== null) report('invalid-name', 'name', name, 'Use snake_case of at most 40 characters.');
  const sample: unknown = service.options?.servingLog;
  if (sample !== undefined && !(typeof sample === 'number' && sample >= 0 && sample <= 1)) {
    report(
      'invalid-sample',
      'servingLog',
      `expected a share of entities from 0 to 1, received ${typeof sample === 'number' ? sample : JSON.stringify(sample)}`,
      'Give e.g. { servingLog: 0.05 }.',
    );
  }
  const members: unknown = service.views;
  if (!Array.isArray(members) || members.length === 0) {
    report('no-views', 'views', 'names no views', 'Give the feature views one model reads: [routeDelays].');
    return { request: [], derived: [] };
  }
  const names = new Set<string>();
  const columns = new Map<string, KeyColumn>();
  const sound: ServiceMember[] = [];
  members.forEach((given: unknown, index) => {
    const path = `views[${index}]`;
    const member = checkedMember(given, path, parts, report);
    if (member === null) return;
    if (names.has(member.name)) {
      report(
        'duplicate-name',
        path,
        `has "${member.name}" twice`,
        'Name each view once, and each role otherwise: traffic.as("from", { ... }).',
      );
    }
    names.add(member.name);
    if (member.name === service.name) {
      report(
        'duplicate-name',
        path,
        `"${member.name}" is the name of the service itself: columns of a training set begin with either`,
        'Rename one of them.',
      );
    }
    checkColumns(member, path, parts, columns, report);
    sound.push(member);
  });
  readKeySegments(service.options?.segments, [...columns.keys()], report);
  // What is no member is told already.
  const own = { ...service, views: sound };
  return servicePartsOf(own, (view) => parts.entities.get(view.entity) ?? [], report);
}

/** A view or a role of one; null where it is none, which is reported. */
function checkedMember(given: unknown, path: string, parts: Parts, report: ReportFault): ServiceMember | null {
  if (!isMember(given)) {
    report(
      'unknown-view',
      path,
      `is not a feature view but ${typeof given}`,
      'Give what featureView(...) returns, or its as(...); an import cycle makes it undefined.',
    );
    return null;
  }
  const view = viewOf(given);
  if (!parts.views.has(view)) {
    report(
      'unknown-view',
      path,
      `view "${view.name}" is not among the definitions`,
      'Export it from the folder of definitions.',
    );
    return null;
  }
  if (given.kind === 'view-role') checkRole(given.name, path, parts, report);
  return given;
}

function isMember(given: unknown): given is ServiceMember {
  if (typeof given !== 'object' || given === null || !('kind' in given)) return false;
  return given.kind === 'feature-view' || (given.kind === 'view-role' && 'view' in given && isMember(given.view));
}

function checkRole(role: string, path: string, { views }: Parts, report: ReportFault): void {
  const name = nameFault(role);
  if (name !== null) report('invalid-name', path, `the role: ${name}`, 'Use snake_case of at most 40 characters.');
  if ([...views].some((view) => view.name === role)) {
    report(
      'duplicate-name',
      path,
      `the role "${role}" has the name of a view`,
      'Rename the role: it stands where a view would.',
    );
  }
}

interface KeyColumn {
  readonly type: KeyPlan['type'];
  /** Whose it is, as messages say it. */
  readonly of: string;
}

/** Checks the columns a block is read by, against each other and those of the blocks before it, which it joins. */
function checkColumns(
  member: ServiceMember,
  path: string,
  { entities }: Parts,
  known: Map<string, KeyColumn>,
  report: ReportFault,
): void {
  const { entity } = viewOf(member);
  const keys = entities.get(entity) ?? [];
  const given = member.kind === 'view-role' ? member.columns : {};
  for (const [key, column] of Object.entries(given)) {
    if (keys.length > 0 && !keys.some(({ name }) => name === key)) {
      report(
        'unknown-join-key',
        `${path}.${key}`,
        `"${key}" is no join key of entity "${entity.name}"; it has ${keys.map(({ name }) => name).join(', ')}`,
        'Name the join keys of the view that go by other columns.',
      );
    }
    const fault = columnFault(column);
    if (fault !== null)
      report(
        fault.code,
        `${path}.${key}`,
        fault.message,
        'Give the column that has this join key: { airport: "origin" }.',
      );
  }
  const own = new Set<string>();
  for (const [index, column] of keyColumns(keys, given).entries()) {
    const { name, type } = keys[index]!;
    const at = `${path}.${name}`;
    if (own.has(column)) {
      report('duplicate-name', at, `two join keys go by the column "${column}"`, 'Give each a column of its own.');
    }
    own.add(column);
    const other = known.get(column);
    if (other === undefined) known.set(column, { type, of: `join key "${name}" of "${member.name}"` });
    else if (canonicalJson(other.type) !== canonicalJson(type)) {
      report(
        'column-types-differ',
        at,
        `the column "${column}" is ${nameOfType(type)} to it, and ${nameOfType(other.type)} to ${other.of}`,
        'Give one of them another column: as("role", { key: "column" }).',
      );
    }
  }
}
