import { canonicalJson } from '../values/canonical-json.ts';
import { nameOfType } from '../values/type-name.ts';
import type { KeyPlan } from './compile-view.ts';
import type { CompiledService, CompiledView } from './compiled-view.ts';
import { type DefinitionFault, faultReporter, type ReportFault } from './definition-fault.ts';
import type { Entity } from './entity.ts';
import type { FeatureService, ServiceMember } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import { columnFault, nameFault } from './names.ts';
import { blockOf } from './service-blocks.ts';
import { keyColumns } from './view-role.ts';

/** What services are made of. */
interface Parts {
  readonly views: ReadonlySet<FeatureView>;
  readonly entities: ReadonlyMap<Entity, readonly KeyPlan[]>;
}

/** Reports what is wrong with services. */
export function checkServices(services: Iterable<FeatureService>, parts: Parts, faults: DefinitionFault[]): void {
  for (const service of services) checkService(service, parts, faultReporter(faults, 'feature service', service.name));
}

/** A service without faults, over its compiled views. */
export function compileService(
  service: FeatureService,
  compiled: ReadonlyMap<FeatureView, CompiledView>,
): CompiledService {
  const blocks = service.views.flatMap((member) => {
    const view = compiled.get(viewOf(member));
    if (view === undefined) return [];
    return member.kind === 'view-role' ? blockOf(view, member.name, member.columns) : blockOf(view);
  });
  return { name: service.name, blocks, servingLog: service.options.servingLog };
}

function viewOf(member: ServiceMember): FeatureView {
  return member.kind === 'view-role' ? member.view : member;
}

function checkService(service: FeatureService, parts: Parts, report: ReportFault): void {
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
    return;
  }
  const names = new Set<string>();
  const columns = new Map<string, KeyColumn>();
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
  });
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
