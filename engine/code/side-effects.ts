import type { AnyNode, CallExpression, Expression, NewExpression, Pattern, SpreadElement, Super } from 'acorn';
import { isPackage, type ModuleGraph, type Target } from './module-graph.ts';
import type { OwnModule, Unit } from './own-module.ts';
import { childrenOf, walk, writtenName } from './syntax.ts';

/**
 * What evaluating code may change beside the names it declares: nothing, what packages keep for themselves (`dayjs.extend(utc)`), or
 * anything.
 */
export type SideEffect = 'none' | 'in-packages' | 'any';

/** Tells what changes nothing beside its own result, so that it is of no matter where the result is not used. */
export interface SideEffects {
  ofUnit(unit: Unit): SideEffect;
  /** Of an expression of a module. */
  of(module: OwnModule, node: AnyNode): SideEffect;
}

/** Functions and constructors of the language that only make something of their arguments. */
const makers = new Set(
  (
    'Number String Boolean BigInt parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent encodeURI decodeURI ' +
    'Map Set WeakMap WeakSet Date RegExp URL URLSearchParams Error TypeError RangeError TextEncoder TextDecoder ' +
    'Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array BigInt64Array BigUint64Array ' +
    'structuredClone Object.entries Object.keys Object.values Object.fromEntries Array Array.from Array.of Array.isArray JSON.parse JSON.stringify ' +
    'Number.parseInt Number.parseFloat Number.isInteger Number.isSafeInteger Number.isFinite BigInt.asIntN BigInt.asUintN ' +
    'Date.UTC Date.parse String.fromCharCode String.fromCodePoint String.raw'
  ).split(' '),
);
/** Of these, the ones that call a function they are given. */
const callers = new Set(['Array.from', 'JSON.parse', 'JSON.stringify']);
/** Methods of texts, numbers, arrays, maps and sets that change nothing themselves. */
const readers = new Set(
  (
    'map filter flatMap reduce reduceRight slice concat join split trim trimStart trimEnd toUpperCase toLowerCase replace replaceAll ' +
    'includes indexOf lastIndexOf startsWith endsWith padStart padEnd repeat at get has keys values entries some every find findIndex ' +
    'findLast findLastIndex flat toSorted toReversed toSpliced with toString toFixed charAt charCodeAt codePointAt normalize substring match'
  ).split(' '),
);

/**
 * Judges by what it knows and takes the rest for changing anything: definitions (whatever is called on `millrace` and `zod`), what the
 * language offers to make and read values, packages that are handed nothing of the user's own, and functions made of these alone.
 */
export function judgeSideEffects(graph: ModuleGraph): SideEffects {
  const functions = new Map<AnyNode, { readonly isPure: boolean; readonly callsPackages: boolean }>();
  // Set by the judgement at hand where what is pure for the user's own calls a package.
  let callsPackages = false;

  const effectOf = (isPure: () => boolean): SideEffect => {
    callsPackages = false;
    if (!isPure()) return 'any';
    return callsPackages ? 'in-packages' : 'none';
  };
  const pureUnit = ({ module, kind, node }: Unit): boolean => {
    if (node.type === 'FunctionDeclaration') return true;
    if (node.type === 'ClassDeclaration') return plainClass(module, node);
    if (node.type === 'VariableDeclarator') {
      if (kind === 'using' || kind === 'await using') return false;
      return purePattern(module, node.id) && (!node.init || pure(module, node.init));
    }
    return pure(module, node.type === 'ExpressionStatement' ? node.expression : node);
  };
  const purePattern = (module: OwnModule, node: Pattern): boolean => {
    if (node.type === 'Identifier') return true;
    if (graph.customised || node.type === 'MemberExpression') return false;
    if (node.type === 'AssignmentPattern') return purePattern(module, node.left) && pure(module, node.right);
    if (node.type === 'RestElement') return purePattern(module, node.argument);
    if (node.type === 'ArrayPattern') return node.elements.every((part) => part === null || purePattern(module, part));
    return node.properties.every((part) =>
      part.type === 'RestElement' ? purePattern(module, part) : !part.computed && purePattern(module, part.value),
    );
  };

  const plainClass = (module: OwnModule, node: AnyNode): boolean => {
    if (node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') return false;
    if (node.superClass) return false;
    return node.body.body.every((part) => {
      if (part.type === 'StaticBlock' || part.computed) return false;
      return part.type === 'MethodDefinition' || !part.static || !part.value || pure(module, part.value);
    });
  };

  const targetOf = (module: OwnModule, node: AnyNode): Target | undefined =>
    node.type === 'Identifier' && module.scopes.module.has(node) ? graph.named(module, node.name) : undefined;

  const isDefining = (target: Target | undefined): boolean =>
    target?.kind === 'outside' && /^(?:millrace|zod)(?:\/|$)/.test(target.specifier);

  /** `dayjs`, `dayjs.utc`, `new Parser().parse`: what hangs on something of a package. */
  const isPackageChain = (module: OwnModule, node: AnyNode, depth = 0): boolean => {
    if (node.type === 'CallExpression' || node.type === 'NewExpression')
      return isPackageChain(module, node.callee, depth + 1);
    if (node.type === 'MemberExpression') return isPackageChain(module, node.object, depth + 1);
    const target = targetOf(module, node);
    if (target?.kind === 'outside') return isPackage(target.specifier);
    const made = initialiser(target);
    return made !== null && depth < 20 && isPackageChain(made.module, made.node, depth + 1);
  };
  /** Whether what is handed to a package is nothing of the user's own that it could change, nor code that changes or hands out any. */
  const isGivenAway = (module: OwnModule, node: AnyNode, seen = new Set<AnyNode>()): boolean => {
    if (seen.has(node)) return true;
    seen.add(node);
    if (/Function/.test(node.type)) {
      const used: AnyNode[] = [];
      walk(node, (each) => {
        if (each.type === 'Identifier' && module.scopes.module.has(each)) used.push(each);
      });
      return pureFunction(module, node) && used.every((each) => isGivenAway(module, each, seen));
    }
    switch (node.type) {
      case 'ArrayExpression':
        return node.elements.every((part) => part === null || isGivenAway(module, part, seen));
      case 'ObjectExpression':
        return node.properties.every((part) => part.type === 'Property' && isGivenAway(module, part.value, seen));
      case 'Identifier': {
        if (module.scopes.free.has(node) || isPackageChain(module, node) || isDefiningChain(module, node, 0))
          return true;
        const made = initialiser(targetOf(module, node));
        if (made === null || !/Literal$|Function/.test(made.node.type)) return false;
        return isGivenAway(made.module, made.node, seen);
      }
      case 'Literal':
      case 'TemplateLiteral':
      case 'UnaryExpression':
      case 'BinaryExpression':
        return true;
      default:
        return isPackageChain(module, node) || isDefiningChain(module, node, 0);
    }
  };

  /** What a top-level name was made of, where it is never assigned again. */
  const initialiser = (target: Target | undefined): { module: OwnModule; node: AnyNode } | null => {
    if (target?.kind !== 'unit' || target.unit.module.scopes.assigned.has(target.name)) return null;
    const { node, module } = target.unit;
    if (node.type !== 'VariableDeclarator') return { node, module };
    return node.id.type === 'Identifier' && node.init ? { node: node.init, module } : null;
  };

  /** True for texts, numbers, arrays, maps and sets as the language makes them, and for values made by `millrace` and `zod`. */
  const isKnown = (module: OwnModule, node: AnyNode, depth = 0): boolean => {
    if (depth > 20) return false;
    if (isDefining(targetOf(module, node))) return true;
    switch (node.type) {
      case 'Literal':
      case 'TemplateLiteral':
      case 'ArrayExpression':
        return true;
      case 'Identifier': {
        const target = targetOf(module, node);
        if (target?.kind === 'module') return target.module.json !== undefined;
        const made = initialiser(target);
        return made !== null && isKnown(made.module, made.node, depth + 1);
      }
      case 'MemberExpression':
        return isJson(module, node.object) || isDefiningChain(module, node, depth + 1);
      case 'NewExpression':
        return isMaker(module, node.callee);
      case 'CallExpression':
        return isDefiningChain(module, node, depth + 1) || isMaker(module, node.callee) || isReaderCall(module, node);
      default:
        return false;
    }
  };
  const isJson = (module: OwnModule, node: AnyNode): boolean => {
    if (node.type === 'MemberExpression') return isJson(module, node.object);
    const target = targetOf(module, node);
    return target?.kind === 'module' && target.module.json !== undefined;
  };
  /** `z.string().min(1)`, `flights.options`: what hangs on something of `millrace` or `zod`. */
  const isDefiningChain = (module: OwnModule, node: AnyNode, depth: number): boolean => {
    if (node.type === 'CallExpression') return isDefiningChain(module, node.callee, depth + 1);
    if (node.type === 'MemberExpression') return isDefiningChain(module, node.object, depth + 1);
    const target = targetOf(module, node);
    if (isDefining(target)) return true;
    const made = initialiser(target);
    return made !== null && depth < 20 && isDefiningChain(made.module, made.node, depth + 1);
  };
  /** `Object.keys` and the like, where nothing in the text is called so. */
  const globalName = (module: OwnModule, node: AnyNode): string | null => {
    if (node.type === 'Identifier') return module.scopes.free.has(node) ? node.name : null;
    if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return null;
    return module.scopes.free.has(node.object)
      ? `${node.object.name}.${writtenName(node.property, node.computed)}`
      : null;
  };
  const isMaker = (module: OwnModule, callee: Expression | Super): boolean => {
    const name = globalName(module, callee);
    return name !== null && (makers.has(name) || /^(?:Math|Intl)\./.test(name));
  };
  const isReaderCall = (module: OwnModule, { callee }: CallExpression): boolean =>
    callee.type === 'MemberExpression' &&
    readers.has(writtenName(callee.property, callee.computed) ?? '') &&
    isKnown(module, callee.object);

  const argumentsPure = (module: OwnModule, node: CallExpression | NewExpression, called: boolean): boolean =>
    node.arguments.every((argument: Expression | SpreadElement) => {
      const each = argument.type === 'SpreadElement' ? argument.argument : argument;
      if (!pure(module, each)) return false;
      // What is handed a function may call it.
      return !called || !mayBeFunction(module, each) || pureFunction(module, each);
    });
  const mayBeFunction = (module: OwnModule, node: AnyNode): boolean =>
    /Function|^(?:Identifier|Member|Call|Conditional|Logical|Object|Array|Class)/.test(node.type) &&
    !isKnown(module, node);

  const pureCall = (module: OwnModule, node: CallExpression | NewExpression): boolean => {
    const { callee } = node;
    if (isDefiningChain(module, callee, 0)) return argumentsPure(module, node, false);
    if (isMaker(module, callee)) {
      return argumentsPure(module, node, callers.has(globalName(module, callee) ?? ''));
    }
    if (isPackageChain(module, callee)) {
      callsPackages = true;
      return (
        pure(module, callee) &&
        argumentsPure(module, node, false) &&
        node.arguments.every((each) => isGivenAway(module, each))
      );
    }
    if (node.type === 'NewExpression') return false;
    if (callee.type === 'MemberExpression' && isReaderCall(module, node)) {
      return pure(module, callee.object) && argumentsPure(module, node, true);
    }
    if (isFrozenLiteral(module, node)) return pure(module, node.arguments[0] as AnyNode);
    // One that is pure whatever it is given calls nothing it is given.
    return pureFunction(module, callee) && argumentsPure(module, node, false);
  };
  /** `Object.freeze({...})`: of what is nobody else's. */
  const isFrozenLiteral = (module: OwnModule, { callee, arguments: given }: CallExpression): boolean =>
    globalName(module, callee) === 'Object.freeze' &&
    given.length === 1 &&
    /^(?:Array|Object|New|Call)Expression$/.test(given[0]?.type ?? '');

  /** Whether calling it changes nothing. */
  const pureFunction = (module: OwnModule, node: AnyNode): boolean => {
    if (node.type === 'MemberExpression') return isMaker(module, node);
    if (node.type === 'Identifier') {
      if (module.scopes.free.has(node)) return isMaker(module, node);
      const made = initialiser(targetOf(module, node));
      return made !== null && /Function/.test(made.node.type) && pureFunction(made.module, made.node);
    }
    if (!('params' in node) || !('body' in node) || node.async || node.generator) return false;
    const known = functions.get(node);
    if (known !== undefined) {
      callsPackages ||= known.callsPackages;
      return known.isPure;
    }
    functions.set(node, { isPure: false, callsPackages: false });
    const before = callsPackages;
    callsPackages = false;
    const body = node.body as AnyNode;
    const isPure =
      node.params.every((param) => purePattern(module, param)) &&
      (body.type === 'BlockStatement' ? body.body.every((part) => pureStatement(module, part)) : pure(module, body));
    functions.set(node, { isPure, callsPackages });
    callsPackages ||= before;
    return isPure;
  };
  const pureStatement = (module: OwnModule, node: AnyNode): boolean => {
    if (node.type === 'ReturnStatement') return !node.argument || pure(module, node.argument);
    if (node.type === 'BlockStatement') return node.body.every((part) => pureStatement(module, part));
    if (node.type === 'FunctionDeclaration' || node.type === 'EmptyStatement') return true;
    if (node.type === 'IfStatement') {
      const branches = [node.consequent, ...(node.alternate ? [node.alternate] : [])];
      return pure(module, node.test) && branches.every((part) => pureStatement(module, part));
    }
    if (node.type !== 'VariableDeclaration' || /using/.test(node.kind)) return false;
    return node.declarations.every(({ id, init }) => purePattern(module, id) && (!init || pure(module, init)));
  };

  const pure = (module: OwnModule, node: AnyNode): boolean => {
    switch (node.type) {
      case 'Literal':
      case 'Identifier':
      case 'TemplateElement':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        return true;
      case 'ClassExpression':
        return plainClass(module, node);
      case 'UnaryExpression':
        return node.operator !== 'delete' && pure(module, node.argument);
      case 'Property':
        return (!node.computed || pure(module, node.key)) && pure(module, node.value);
      case 'MemberExpression':
        // A getter is code: where the user's own has none, members are but read.
        if (graph.customised && !isKnown(module, node.object)) return false;
        return (!node.computed || pure(module, node.property)) && pure(module, node.object);
      case 'TemplateLiteral':
      case 'BinaryExpression':
      case 'SpreadElement':
        return !graph.customised && childrenOf(node).every((child) => pure(module, child));
      case 'ArrayExpression':
      case 'ObjectExpression':
      case 'LogicalExpression':
      case 'ConditionalExpression':
      case 'SequenceExpression':
      case 'ChainExpression':
        return childrenOf(node).every((child) => pure(module, child));
      case 'CallExpression':
      case 'NewExpression':
        return pureCall(module, node);
      default:
        return false;
    }
  };

  return {
    ofUnit: (unit) => effectOf(() => pureUnit(unit)),
    of: (module, node) => effectOf(() => pure(module, node)),
  };
}
