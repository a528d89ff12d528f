import type { AnyNode } from 'acorn';
import { isPackage, type ModuleGraph, type Target } from './module-graph.ts';
import type { OwnModule, Unit } from './own-module.ts';
import { walk, writtenName } from './syntax.ts';

/** What a name stands for that may keep something from one call to the next. */
export type Keeper = Unit | OwnModule;

/** How values of the top level are used, anywhere in the user's own code. */
interface Uses {
  /** A member is written or removed, or a method called that may do it. */
  readonly written: Set<Keeper>;
  /** It is handed on: whoever has it may write to it. */
  readonly handedOn: Set<Keeper>;
  /** A member of it is. */
  readonly memberHandedOn: Set<Keeper>;
}

/** Methods that change nothing themselves, and what else only looks at what it is given. */
const lookers = new Set(
  'get has includes indexOf lastIndexOf at join slice concat keys values entries toString toFixed startsWith endsWith test map filter some every find findIndex reduce flatMap charAt'.split(
    ' ',
  ),
);
const copiers = new Set([
  'Object.keys',
  'Object.values',
  'Object.entries',
  'JSON.stringify',
  'Array.isArray',
  'Array.from',
]);

/**
 * Makes a function that tells whether what a name of the top level stands for may be another one after some code ran: then all code that has it may
 * pass something on through it. A table that is only looked up in does not, a counter and a cache do; what cannot be judged does.
 */
export function judgeKeptState(graph: ModuleGraph): (keeper: Keeper) => boolean {
  let uses: Uses | null = null;
  return (keeper) => {
    uses ??= usesIn(graph);
    if (!('node' in keeper)) {
      const depth = keeper.json === undefined ? 'unknown' : depthOfJson(keeper.json);
      return depth !== 'none' && mayBeWritten(keeper, depth, uses);
    }
    const { node, module, names } = keeper;
    if (names.some((name) => module.scopes.assigned.has(name))) return true;
    if (node.type === 'FunctionDeclaration') return uses.written.has(keeper);
    if (node.type === 'ClassDeclaration') {
      const keeps = node.body.body.some(
        (part) => part.type === 'StaticBlock' || (part.type === 'PropertyDefinition' && part.static),
      );
      return keeps || uses.written.has(keeper);
    }
    if (node.type !== 'VariableDeclarator' || node.id.type !== 'Identifier' || !node.init) return true;
    if (/^using|^await/.test(keeper.kind)) return true;
    const depth = depthOf(node.init, module, graph);
    return depth !== 'none' && mayBeWritten(keeper, depth, uses);
  };
}

/** `none`: a value that cannot change; `function`; `flat`: members are values; `deep`: members may have members. */
type Depth = 'none' | 'function' | 'flat' | 'deep' | 'unknown';

function mayBeWritten(keeper: Keeper, depth: Depth, uses: Uses): boolean {
  if (depth === 'unknown' || uses.written.has(keeper)) return true;
  if (depth === 'function') return false;
  return uses.handedOn.has(keeper) || (depth === 'deep' && uses.memberHandedOn.has(keeper));
}

function depthOfJson(value: unknown): Depth {
  if (typeof value !== 'object' || value === null) return 'none';
  return Object.values(value).every((member) => typeof member !== 'object' || member === null) ? 'flat' : 'deep';
}

function depthOf(node: AnyNode, module: OwnModule, graph: ModuleGraph): Depth {
  switch (node.type) {
    case 'Literal':
      return node.regex && /[gy]/.test(node.regex.flags) ? 'unknown' : 'none';
    case 'TemplateLiteral':
    case 'UnaryExpression':
    case 'BinaryExpression':
      return 'none';
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
      return 'function';
    case 'ArrayExpression':
      return deepest(node.elements.map((part) => (part === null ? 'none' : depthOf(part, module, graph))));
    case 'ObjectExpression':
      return deepest(
        node.properties.map((part) =>
          part.type === 'Property' && part.kind === 'init' ? depthOf(part.value, module, graph) : 'unknown',
        ),
      );
    case 'NewExpression':
    case 'CallExpression': {
      const name = globalName(node.callee, module);
      const [given] = node.arguments;
      if (name !== null && /^(?:Number|String|Boolean|BigInt|parseInt|parseFloat|Math\..*)$/.test(name)) return 'none';
      if (name?.startsWith('Intl.') === true) return 'none';
      if (name !== null && /^(?:Map|Set|Object\.freeze)$/.test(name)) {
        if (given === undefined) return 'flat';
        // Of a map the members of its pairs.
        const pairs = name === 'Map' && given.type === 'ArrayExpression' ? given.elements : [given];
        const inner = pairs.map((pair) => (pair === null ? 'unknown' : depthOf(pair, module, graph)));
        return inner.every((each) => each === 'flat') ? 'flat' : inner.includes('unknown') ? 'unknown' : 'deep';
      }
      return isDefining(node, module, graph) ? 'none' : 'unknown';
    }
    default:
      return 'unknown';
  }
}

/** Of a list or an object by its members: a function among them may keep something of its own. */
function deepest(members: readonly Depth[]): Depth {
  if (members.includes('unknown')) return 'unknown';
  return members.every((member) => member === 'none' || member === 'function') ? 'flat' : 'deep';
}

/** What `millrace` and `zod` make is frozen, or nobody's to change. */
function isDefining(node: AnyNode, module: OwnModule, graph: ModuleGraph): boolean {
  if (node.type === 'CallExpression') return isDefining(node.callee, module, graph);
  if (node.type === 'MemberExpression') return isDefining(node.object, module, graph);
  if (node.type !== 'Identifier' || !module.scopes.module.has(node)) return false;
  const target = graph.named(module, node.name);
  return target?.kind === 'outside' && !isPackage(target.specifier) && /^(?:millrace|zod)/.test(target.specifier);
}

function globalName(node: AnyNode, module: OwnModule): string | null {
  if (node.type === 'Identifier') return module.scopes.free.has(node) ? node.name : null;
  if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return null;
  return module.scopes.free.has(node.object)
    ? `${node.object.name}.${writtenName(node.property, node.computed)}`
    : null;
}

function usesIn(graph: ModuleGraph): Uses {
  const uses: Uses = { written: new Set(), handedOn: new Set(), memberHandedOn: new Set() };
  for (const module of graph.modules) {
    for (const unit of module.units) {
      const parents = new Map<AnyNode, AnyNode | null>();
      walk(unit.node, (node, parent) => parents.set(node, parent));
      for (const node of parents.keys()) {
        if (node.type !== 'Identifier' || !module.scopes.module.has(node)) continue;
        const target = graph.named(module, node.name);
        if (target !== undefined) noteUse(node, target, module, parents, graph, uses);
      }
    }
  }
  return uses;
}

function noteUse(
  node: AnyNode,
  target: Target,
  module: OwnModule,
  parents: ReadonlyMap<AnyNode, AnyNode | null>,
  graph: ModuleGraph,
  uses: Uses,
): void {
  if (target.kind === 'outside') return;
  const parent = parents.get(node) ?? null;
  const isObject = parent?.type === 'MemberExpression' && parent.object === node;
  if (target.kind === 'module' && target.module.json === undefined) {
    // `import * as fees`: its members are what is used.
    const name = isObject ? writtenName(parent.property, parent.computed) : null;
    const member = name === null ? undefined : graph.exportsOf(target.module).get(name);
    if (isObject && member !== undefined) noteUse(parent, member, module, parents, graph, uses);
    else
      for (const each of graph.exportsOf(target.module).values())
        if (each.kind !== 'outside') uses.written.add(each.kind === 'unit' ? each.unit : each.module);
    return;
  }
  const keeper: Keeper = target.kind === 'unit' ? target.unit : target.module;
  let at = node;
  let isMember = false;
  for (;;) {
    const above = parents.get(at) ?? null;
    if (above?.type === 'ChainExpression') at = above;
    else if (above?.type === 'MemberExpression' && above.object === at) {
      const outer = parents.get(above) ?? null;
      if (outer?.type === 'CallExpression' && outer.callee === above) {
        if (!lookers.has(writtenName(above.property, above.computed) ?? '')) uses.written.add(keeper);
        // What a function is given of it, and what comes out, may be a member.
        else uses.memberHandedOn.add(keeper);
        return;
      }
      at = above;
      isMember = true;
    } else {
      const use = useIn(at, above, module);
      if (use === 'written' || (use === 'handed on' && !isMember))
        uses[use === 'written' ? 'written' : 'handedOn'].add(keeper);
      else if (use === 'handed on') uses.memberHandedOn.add(keeper);
      return;
    }
  }
}

function useIn(node: AnyNode, parent: AnyNode | null, module: OwnModule): 'read' | 'written' | 'handed on' {
  switch (parent?.type) {
    case 'AssignmentExpression':
      return parent.left === node ? 'written' : 'handed on';
    case 'UpdateExpression':
    case 'ArrayPattern':
    case 'RestElement':
    case 'AssignmentPattern':
      return 'written';
    case 'UnaryExpression':
      return parent.operator === 'delete' ? 'written' : 'read';
    case 'BinaryExpression':
    case 'SpreadElement':
    case 'TemplateLiteral':
      return 'read';
    case 'MemberExpression':
      return 'read';
    case 'ForOfStatement':
    case 'ForInStatement':
      return parent.left === node ? 'written' : 'handed on';
    case 'CallExpression':
    case 'NewExpression':
      if (parent.callee === node) return 'read';
      return copiers.has(globalName(parent.callee, module) ?? '') ? 'read' : 'handed on';
    default:
      return 'handed on';
  }
}
