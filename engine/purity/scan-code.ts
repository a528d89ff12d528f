import type { AnyNode, CallExpression, MemberExpression, NewExpression } from 'acorn';
import { isBuiltin } from 'node:module';
import type { ModuleGraph, Target } from '../code/module-graph.ts';
import type { Unit } from '../code/own-module.ts';
import { walk, writtenName } from '../code/syntax.ts';
import {
  type Impurity,
  impureGlobals,
  impureModules,
  impurity,
  localDateMethods,
  localeMethods,
  randomFunctions,
} from './impurity.ts';

/** An impure use, and where it is written. */
export interface ImpureUse extends Impurity {
  readonly file: string;
  readonly line: number;
}

/**
 * Finds by name what is impure in code, run or not: sampled rows do not reach every branch. What only running tells (a method of an
 * object of unknown kind, a package) is left to the traps.
 */
export function scanCode(units: readonly Unit[], graph: ModuleGraph): ImpureUse[] {
  const ownMembers = new Set(units.flatMap((unit) => [...memberNames(unit.node)]));
  return units.flatMap((unit) => scanUnit(unit, graph, ownMembers));
}

/** Names of methods and properties that the code itself gives to objects: those are not the language's. */
function memberNames(node: AnyNode): Set<string> {
  const names = new Set<string>();
  walk(node, (each) => {
    if (each.type !== 'Property' && each.type !== 'MethodDefinition' && each.type !== 'PropertyDefinition') return;
    if (each.key.type !== 'PrivateIdentifier') names.add(writtenName(each.key, each.computed) ?? '');
  });
  return names;
}

function scanUnit(unit: Unit, graph: ModuleGraph, ownMembers: ReadonlySet<string>): ImpureUse[] {
  const { module } = unit;
  const uses: ImpureUse[] = [];
  const parents = new Map<AnyNode, AnyNode | null>();
  const found = (node: AnyNode, what: Impurity | null): void => {
    if (what !== null) uses.push({ ...what, file: module.path, line: module.lineOf(node) });
  };
  const use = (node: AnyNode): Use => useOf(node, parents);

  walk(unit.node, (node, parent) => {
    parents.set(node, parent);
    if (node.type === 'Identifier' && module.scopes.free.has(node)) found(node, globalUse(node.name, use(node)));
    else if (node.type === 'Identifier' && module.scopes.module.has(node)) {
      const target = graph.named(module, node.name);
      if (target?.kind === 'outside') found(node, outsideUse(target, use(node)));
    } else if (node.type === 'MetaProperty' && node.meta.name === 'import') {
      found(node, impurity('place', 'import.meta'));
    } else if (node.type === 'ImportExpression') {
      found(node, dynamicImport(node.source));
    } else if (node.type === 'CallExpression' && node.callee.type === 'MemberExpression') {
      found(node.callee.property, methodUse(node, node.callee, ownMembers));
    }
  });
  return uses;
}

/** How a name is used: what is asked of it, and with which arguments it is called, where it is. */
interface Use {
  readonly member: string | null;
  /** Of `x.member`. */
  readonly memberUse: () => Use;
  readonly call: CallExpression | NewExpression | null;
  /** Looked at without being taken along: `typeof x`, `y instanceof x`. */
  readonly looked: boolean;
}

function useOf(node: AnyNode, parents: ReadonlyMap<AnyNode, AnyNode | null>): Use {
  // Parents are noted on the way down, so the one of a node that is being visited is known.
  const parent = parents.get(node) ?? null;
  const member = parent?.type === 'MemberExpression' && parent.object === node ? parent : null;
  const isCall = (parent?.type === 'CallExpression' || parent?.type === 'NewExpression') && parent.callee === node;
  return {
    member: member && writtenName(member.property, member.computed),
    memberUse: () => useOf(parent as AnyNode, parents),
    call: isCall ? parent : null,
    looked:
      (parent?.type === 'UnaryExpression' && parent.operator === 'typeof') ||
      (parent?.type === 'BinaryExpression' && parent.operator === 'instanceof'),
  };
}

function globalUse(name: string, use: Use): Impurity | null {
  if ((name === 'globalThis' || name === 'global') && use.member !== null)
    return globalUse(use.member, use.memberUse());
  const kind = impureGlobals.get(name);
  if (kind !== undefined) {
    if (use.looked) return null;
    const member = use.member === null ? '' : `.${use.member}`;
    const inner = use.member === 'env' ? use.memberUse().member : null;
    const call = use.call !== null || (use.member !== null && use.memberUse().call !== null) ? '()' : '';
    return impurity(kind, `${name}${member}${inner === null ? '' : `.${inner}`}${call}`);
  }
  if (name === 'Temporal') return use.member === 'Now' ? impurity('clock', 'Temporal.Now') : null;
  if (name === 'Math') return use.member === 'random' ? impurity('random', 'Math.random()') : null;
  if (name === 'crypto') {
    const random = use.member === 'randomUUID' || use.member === 'getRandomValues';
    return random ? impurity('random', `crypto.${use.member}()`) : null;
  }
  if (name === 'Date') return dateUse(use);
  return name === 'Intl' ? formatterUse(use) : null;
}

function dateUse(use: Use): Impurity | null {
  if (use.member === 'now') return impurity('clock', 'Date.now()');
  if (use.member !== null || use.looked) return null;
  const { call } = use;
  if (call === null) return impurity('clock', 'Date as a value');
  if (call.type === 'CallExpression') return impurity('clock', 'Date()');
  if (call.arguments.some((argument) => argument.type === 'SpreadElement')) return null;
  if (call.arguments.length === 0) return impurity('clock', 'new Date()');
  return call.arguments.length > 1 ? impurity('local-time', 'new Date(year, month, ...), which is local time,') : null;
}

function formatterUse(use: Use): Impurity | null {
  const call = use.member === null ? null : use.memberUse().call;
  if (call === null || !/^(?:[A-Z]\w*Format|Collator|PluralRules|Segmenter)$/.test(use.member ?? '')) return null;
  if (call.arguments.length === 0) return impurity('locale', `Intl.${use.member}() without a locale`);
  const unzoned =
    use.member === 'DateTimeFormat' && call.arguments.length === 1 && call.arguments[0]?.type !== 'SpreadElement';
  return unzoned ? impurity('locale', 'Intl.DateTimeFormat() without a time zone') : null;
}

function outsideUse({ specifier, name }: Extract<Target, { kind: 'outside' }>, use: Use): Impurity | null {
  if (!isBuiltin(specifier)) return null;
  const builtin = specifier.replace(/^node:/, '');
  const whole = name === '*' || name === 'default';
  const member = whole ? use.member : name;
  if (builtin === 'crypto') {
    return randomFunctions.has(member ?? '') ? impurity('random', `crypto.${member}()`) : null;
  }
  const kind = impureModules.get(builtin);
  return kind === undefined ? null : impurity(kind, member === null ? `node:${builtin}` : `${builtin}.${member}`);
}

function dynamicImport(source: AnyNode): Impurity | null {
  if (source.type !== 'Literal') return impurity('place', 'import() of a name that is computed');
  const builtin = String(source.value).replace(/^node:/, '');
  const kind = impureModules.get(builtin);
  return kind === undefined ? null : impurity(kind, `node:${builtin}`);
}

function methodUse(call: CallExpression, callee: MemberExpression, ownMembers: ReadonlySet<string>): Impurity | null {
  const name = writtenName(callee.property, callee.computed);
  if (name === null || ownMembers.has(name) || call.arguments.some((each) => each.type === 'SpreadElement'))
    return null;
  if (localDateMethods.has(name) && name !== 'toString') return impurity('local-time', `Date.prototype.${name}()`);
  const needed = localeMethods.get(name);
  return needed !== undefined && call.arguments.length < needed
    ? impurity(
        'locale',
        `${name}() without a ${needed === 2 && call.arguments.length === 1 && name !== 'localeCompare' ? 'time zone' : 'locale'}`,
      )
    : null;
}
