import type { AnyNode, ArrowFunctionExpression, FunctionExpression, ObjectExpression, Pattern, Property } from 'acorn';
import type { ModuleGraph } from './module-graph.ts';
import type { Unit } from './own-module.ts';
import type { SideEffects } from './side-effects.ts';
import { boundNames, isNode, isPlainProperty, walk, writtenName } from './syntax.ts';

/** What is written of one feature alone, beside what the definition then has as data. */
export interface FeaturePart {
  /** How many members that are no feature's alone stand before it: one after it may take its name. */
  readonly before: number;
  /** What it aggregates and by what, where that is code: all that its chain is given but texts and numbers, and what `over` is given, which its window says. */
  readonly inputs: readonly AnyNode[];
}

export interface FeatureParts {
  /** The unit as if it had none of `features`, and nothing derived of them where that is apart. */
  readonly rest: AnyNode;
  readonly features: ReadonlyMap<string, FeaturePart>;
  /** What is derived of the features, where it stands for itself: states have nothing of it. Null: there is nothing, or it is in `rest`. */
  readonly derived: AnyNode | null;
}

/** What stands for the derived features among the features that have to stay together. No feature has this name. */
export const DERIVED = '';

type FunctionNode = ArrowFunctionExpression | FunctionExpression;

/**
 * Takes a view's features apart: `featureView('name', { features: (f) => ({ a: f.sum('x').over('1d') }) })` as its text has it. A member that is no
 * chain of calls on `f` may do anything, and stays in `rest`, as do those of `together`. Null where the unit is not written so.
 */
export function featureParts(
  unit: Unit,
  graph: ModuleGraph,
  effects: SideEffects,
  together: ReadonlySet<string> = new Set(),
): FeatureParts | null {
  const { node, module } = unit;
  const call = node.type === 'VariableDeclarator' ? node.init : node;
  if (call?.type !== 'CallExpression' || call.callee.type !== 'Identifier') return null;
  const callee = module.scopes.module.has(call.callee) ? graph.named(module, call.callee.name) : undefined;
  if (callee?.kind !== 'outside' || callee.specifier !== 'millrace' || callee.name !== 'featureView') return null;
  const options = call.arguments[1];
  if (options?.type !== 'ObjectExpression') return null;
  const member = onlyMember(options, 'features');
  const built = member === null ? null : builtBy(member.value);
  if (member === null || built === null) return null;
  const { builder, object } = built;

  const features = new Map<string, FeaturePart>();
  const kept: ObjectExpression['properties'] = [];
  const names = object.properties.map((part) => (isPlainProperty(part) ? writtenName(part.key, part.computed) : null));
  object.properties.forEach((part, index) => {
    const name = names[index];
    const chain = part.type === 'Property' ? chainOn(builder, part.value) : null;
    const isPlain = chain?.given.every((given) => effects.of(module, given) === 'none') === true;
    const isAlone =
      name !== '__proto__' && !together.has(name ?? '') && names.filter((other) => other === name).length === 1;
    if (part.type !== 'Property' || typeof name !== 'string' || chain === null || !isPlain || !isAlone) kept.push(part);
    else features.set(name, { before: kept.length, inputs: chain.inputs });
  });
  const derivedMember = together.has(DERIVED) ? null : onlyMember(options, 'derived');
  const derived = derivedMember !== null && isBlocks(derivedMember.value) ? derivedMember : null;
  const properties = options.properties.filter((part) => part !== derived);
  const withoutDerived = derived === null ? node : replaced(node, options, { ...options, properties });
  const rest = replaced(withoutDerived, object, { ...object, properties: kept });
  return { rest, features, derived: derived?.value ?? null };
}

/** The member of that name where it is sure to be the one that counts. */
function onlyMember(options: ObjectExpression, name: string): Property | null {
  if (!options.properties.every(isPlainProperty)) return null;
  const found = options.properties.filter((part) => writtenName(part.key, part.computed) === name);
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** Whether it is one function or a list of them, each of which gives an object in any case: all that it does, it does when it is called. */
function isBlocks(node: AnyNode): boolean {
  if (node.type !== 'ArrayExpression') return builtBy(node) !== null;
  return node.elements.every((each) => each !== null && builtBy(each) !== null);
}

/** The name a function's builder has, and the object it gives in any case; what stands before that only declares. */
function builtBy(node: AnyNode): { readonly builder: string; readonly object: ObjectExpression } | null {
  if (node.type !== 'ArrowFunctionExpression' && node.type !== 'FunctionExpression') return null;
  if (node.async || node.generator) return null;
  const [parameter, ...others] = node.params;
  if (parameter?.type !== 'Identifier' || others.length > 0) return null;
  const object = resultOf(node);
  if (object?.type !== 'ObjectExpression' || rebinds(node, parameter.name)) return null;
  return { builder: parameter.name, object };
}

function resultOf({ body }: FunctionNode): AnyNode | null {
  if (body.type !== 'BlockStatement') return body;
  const last = body.body.at(-1);
  // What else stands there may be changed by one feature's function, and seen by another's.
  const onlyDeclares = body.body
    .slice(0, -1)
    .every(
      (part) =>
        part.type === 'FunctionDeclaration' ||
        (part.type === 'VariableDeclaration' &&
          part.kind === 'const' &&
          part.declarations.every(({ init }) =>
            /^(?:Literal|ArrowFunctionExpression|FunctionExpression)$/.test(init?.type ?? ''),
          )),
    );
  return onlyDeclares && last?.type === 'ReturnStatement' ? (last.argument ?? null) : null;
}

/** Whether anything inside gives the name another value or meaning. */
function rebinds(node: FunctionNode, name: string): boolean {
  let found = false;
  const binds = (pattern: AnyNode): void => {
    found ||= boundNames(pattern as Pattern).includes(name);
  };
  walk(node.body, (each) => {
    if (each.type === 'AssignmentExpression') binds(each.left);
    else if (each.type === 'UpdateExpression')
      found ||= each.argument.type === 'Identifier' && each.argument.name === name;
    else if (each.type === 'ForInStatement' || each.type === 'ForOfStatement') {
      if (each.left.type !== 'VariableDeclaration') binds(each.left);
    } else if (each.type === 'VariableDeclarator') binds(each.id);
    else if (each.type === 'FunctionDeclaration') found ||= each.id?.name === name;
  });
  return found;
}

/** `f.sum(fn, …).over('1d')`: all it is given, and what of that is its code. */
function chainOn(
  builder: string,
  node: AnyNode,
): { readonly given: readonly AnyNode[]; readonly inputs: readonly AnyNode[] } | null {
  if (node.type !== 'CallExpression' || node.optional) return null;
  const { callee } = node;
  if (callee.type !== 'MemberExpression' || callee.computed || callee.optional) return null;
  const given: readonly AnyNode[] = node.arguments;
  if (given.some((each) => each.type === 'SpreadElement')) return null;
  const isWindow = callee.property.type === 'Identifier' && callee.property.name === 'over';
  const inputs = isWindow ? [] : given.filter(({ type }) => type !== 'Literal');
  if (callee.object.type === 'Identifier') return callee.object.name === builder ? { given, inputs } : null;
  const inner = chainOn(builder, callee.object);
  return inner && { given: [...inner.given, ...given], inputs: [...inner.inputs, ...inputs] };
}

/** A tree with one node in place of another; nodes that hold neither stay the same. */
function replaced(tree: AnyNode, old: AnyNode, by: AnyNode): AnyNode {
  if (tree === old) return by;
  const changed = Object.entries(tree).flatMap(([field, value]: [string, unknown]): [string, unknown][] => {
    if (Array.isArray(value)) {
      const parts = value.map((part: unknown) => (isNode(part) ? replaced(part, old, by) : part));
      return parts.some((part, index) => part !== value[index]) ? [[field, parts]] : [];
    }
    const part = isNode(value) ? replaced(value, old, by) : value;
    return part === value ? [] : [[field, part]];
  });
  return changed.length === 0 ? tree : { ...tree, ...Object.fromEntries(changed) };
}
