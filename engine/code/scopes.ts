import type { AnyNode, Identifier, Pattern, Program, Statement, VariableDeclaration } from 'acorn';
import { boundNames, childrenOf } from './syntax.ts';

/** Where the names of a module's text lead. Names of a function's own scope are in neither. */
export interface Scopes {
  /** Uses of what the module declares or imports at its top level. */
  readonly module: ReadonlySet<Identifier>;
  /** Uses of what nothing in the text declares: globals. */
  readonly free: ReadonlySet<Identifier>;
  /** Of every name that the text declares, where it is bound and wherever it is used: its scope, the same object for each of it. */
  readonly bound: ReadonlyMap<Identifier, object>;
  /** Top-level names that something assigns to, beside their declaration. */
  readonly assigned: ReadonlySet<string>;
}

interface Scope {
  readonly names: Set<string>;
  readonly parent: Scope | null;
}

/** Resolves every name of a module, or of a program of expressions. */
export function resolveScopes(program: Program): Scopes {
  const module = new Set<Identifier>();
  const free = new Set<Identifier>();
  const bound = new Map<Identifier, object>();
  const assigned = new Set<string>();
  const top: Scope = { names: new Set(), parent: null };

  const find = (name: string, scope: Scope): Scope | null => {
    for (let at: Scope | null = scope; at !== null; at = at.parent) if (at.names.has(name)) return at;
    return null;
  };
  const refer = (node: Identifier, scope: Scope): void => {
    const found = find(node.name, scope);
    if (found !== null) bound.set(node, found);
    if (found === top) module.add(node);
    else if (found === null) free.add(node);
  };
  const note = (node: Identifier | null | undefined, scope: Scope): void => {
    const found = node && find(node.name, scope);
    if (node && found) bound.set(node, found);
  };
  const assign = (node: AnyNode, scope: Scope): void => {
    if (node.type === 'Identifier' && find(node.name, scope) === top) assigned.add(node.name);
    else if (node.type === 'VariableDeclaration') return;
    else for (const name of boundNames(node as Pattern)) if (find(name, scope) === top) assigned.add(name);
  };
  const enter = (parent: Scope, names: readonly string[]): Scope => ({ names: new Set(names), parent });

  /** A binding: its names are declared already; what stands in it (defaults, computed keys) is used. */
  const bind = (pattern: Pattern, scope: Scope): void => {
    switch (pattern.type) {
      case 'Identifier':
        note(pattern, scope);
        return;
      case 'ObjectPattern':
        for (const part of pattern.properties) {
          if (part.type === 'RestElement') bind(part.argument, scope);
          else {
            if (part.computed) visit(part.key, scope);
            bind(part.value, scope);
          }
        }
        return;
      case 'ArrayPattern':
        for (const part of pattern.elements) if (part !== null) bind(part, scope);
        return;
      case 'RestElement':
        bind(pattern.argument, scope);
        return;
      case 'AssignmentPattern':
        bind(pattern.left, scope);
        visit(pattern.right, scope);
        return;
      case 'MemberExpression':
        visit(pattern, scope);
    }
  };

  const visitAll = (nodes: readonly AnyNode[], scope: Scope): void => {
    for (const node of nodes) visit(node, scope);
  };

  const visit = (node: AnyNode, scope: Scope): void => {
    switch (node.type) {
      case 'Identifier':
        refer(node, scope);
        return;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression': {
        const own = node.type === 'FunctionExpression' && node.id ? enter(scope, [node.id.name]) : scope;
        if (node.type !== 'ArrowFunctionExpression') note(node.id, own);
        const inner = enter(own, node.params.flatMap(boundNames));
        if (node.type !== 'ArrowFunctionExpression') inner.names.add('arguments');
        for (const param of node.params) bind(param, inner);
        // A default of a parameter does not see what the body declares.
        if (node.body.type !== 'BlockStatement') visit(node.body, inner);
        else visitAll(node.body.body, enter(inner, [...hoisted(node.body.body), ...lexical(node.body.body)]));
        return;
      }
      case 'ClassDeclaration':
      case 'ClassExpression': {
        const inner = node.id ? enter(scope, [node.id.name]) : scope;
        note(node.id, node.type === 'ClassDeclaration' ? scope : inner);
        if (node.superClass) visit(node.superClass, inner);
        visitAll(node.body.body, inner);
        // A declared class is bound outside as well; inside it, that binding is the one meant.
        return;
      }
      case 'MethodDefinition':
      case 'PropertyDefinition':
        if (node.computed) visit(node.key, scope);
        if (node.value) visit(node.value, scope);
        return;
      case 'Property':
        if (node.computed) visit(node.key, scope);
        visit(node.value, scope);
        return;
      case 'MemberExpression':
        visit(node.object, scope);
        if (node.computed) visit(node.property, scope);
        return;
      case 'StaticBlock':
        visitAll(node.body, enter(scope, [...hoisted(node.body), ...lexical(node.body)]));
        return;
      case 'BlockStatement':
        visitAll(node.body, enter(scope, lexical(node.body)));
        return;
      case 'SwitchStatement': {
        visit(node.discriminant, scope);
        const inner = enter(scope, lexical(node.cases.flatMap((part) => part.consequent)));
        for (const part of node.cases) {
          if (part.test) visit(part.test, inner);
          visitAll(part.consequent, inner);
        }
        return;
      }
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement': {
        const head = node.type === 'ForStatement' ? node.init : node.left;
        const inner = enter(scope, head?.type === 'VariableDeclaration' ? declaredBy(head) : []);
        if (node.type !== 'ForStatement' && head) assign(head, inner);
        visitAll(childrenOf(node), inner);
        return;
      }
      case 'CatchClause': {
        const inner = enter(scope, node.param ? boundNames(node.param) : []);
        if (node.param) bind(node.param, inner);
        visit(node.body, inner);
        return;
      }
      case 'VariableDeclaration':
        for (const { id, init } of node.declarations) {
          bind(id, scope);
          if (init) visit(init, scope);
        }
        return;
      case 'AssignmentExpression':
      case 'UpdateExpression':
        assign(node.type === 'AssignmentExpression' ? node.left : node.argument, scope);
        visitAll(childrenOf(node), scope);
        return;
      case 'LabeledStatement':
        visit(node.body, scope);
        return;
      case 'ExportNamedDeclaration':
        if (node.declaration) visit(node.declaration, scope);
        else if (!node.source)
          for (const { local } of node.specifiers) if (local.type === 'Identifier') note(local, scope);
        return;
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'MetaProperty':
      case 'ExportAllDeclaration':
        return;
      case 'ImportDeclaration':
        for (const { local } of node.specifiers) note(local, scope);
        return;
      case 'ExportDefaultDeclaration':
        visit(node.declaration, scope);
        return;
      case 'ImportExpression':
        visit(node.source, scope);
        if (node.options) visit(node.options, scope);
        return;
      default:
        visitAll(childrenOf(node), scope);
    }
  };

  const statements = program.body.flatMap((node) => {
    if (node.type === 'ImportDeclaration') for (const { local } of node.specifiers) top.names.add(local.name);
    if (node.type === 'ExportNamedDeclaration') return node.declaration ?? [];
    if (node.type === 'ExportDefaultDeclaration') {
      const { declaration } = node;
      return declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration' ? declaration : [];
    }
    return node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration' ? [] : node;
  }) as Statement[];
  for (const name of [...hoisted(statements), ...lexical(statements)]) top.names.add(name);
  visitAll(program.body, top);
  return { module, free, bound, assigned };
}

function declaredBy(declaration: VariableDeclaration): string[] {
  return declaration.declarations.flatMap(({ id }) => boundNames(id));
}

/** What a list of statements declares for its block: let, const, classes, functions. */
function lexical(statements: readonly Statement[]): string[] {
  return statements.flatMap((node) => {
    if (node.type === 'VariableDeclaration') return node.kind === 'var' ? [] : declaredBy(node);
    if (node.type !== 'FunctionDeclaration' && node.type !== 'ClassDeclaration') return [];
    return (node.id as Identifier | null)?.name ?? [];
  });
}

/** The `var`s of a function's statements, however deep in blocks. */
function hoisted(nodes: readonly AnyNode[]): string[] {
  return nodes.flatMap((node): string[] => {
    if (node.type === 'VariableDeclaration') return node.kind === 'var' ? declaredBy(node) : [];
    if (/^(?:Function|Class|Arrow)/.test(node.type)) return [];
    return hoisted(childrenOf(node));
  });
}
