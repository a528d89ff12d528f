import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { type AnyNode, type Identifier, type Literal, parse, type Program, type VariableDeclaration } from 'acorn';
import { resolveScopes, type Scopes } from './scopes.ts';
import { boundNames, walk, writtenName } from './syntax.ts';

/** What a name is imported from: `default`, `*` for the whole module, or an export's name. */
export interface ImportedName {
  readonly specifier: string;
  readonly name: string;
}

/** A piece of a module that is evaluated in one go: a statement, or one of the variables a statement declares. */
export interface Unit {
  readonly module: OwnModule;
  readonly kind: 'const' | 'let' | 'var' | 'using' | 'await using' | 'function' | 'class' | 'default' | 'statement';
  /** The top-level names it declares. */
  readonly names: readonly string[];
  readonly node: AnyNode;
}

/** A module of the user's own, taken apart. */
export interface OwnModule {
  readonly path: string;
  /** As it is written. */
  readonly text: string;
  readonly scopes: Scopes;
  /** In the order of the text. */
  readonly units: readonly Unit[];
  readonly declared: ReadonlyMap<string, Unit>;
  readonly imports: ReadonlyMap<string, ImportedName>;
  /** By exported name: a name of this module, or one of another. */
  readonly exports: ReadonlyMap<string, string | ImportedName>;
  /** Specifiers of `export * from`. */
  readonly stars: readonly string[];
  /** Specifiers of all imports, in the order they are evaluated; those of `import('...')` last. */
  readonly specifiers: readonly string[];
  /** Those of imports that name nothing: `import 'x'`. */
  readonly bareSpecifiers: ReadonlySet<string>;
  /** Whether it is CommonJS: what it exports, only a bundler can tell. */
  readonly isCommonJs: boolean;
  /** Of a JSON module: its value. */
  readonly json?: unknown;
  /** Whether it has code that reading a member, spreading or converting a value runs: getters, `toString`, iterators, proxies. */
  readonly customised: boolean;
  /** The line of the file a node stands on, from 1. */
  lineOf(node: AnyNode): number;
}

/** The name a default export without one is declared under; no identifier can be called so. */
const DEFAULT = '*default*';

const conversions = new Set(['toString', 'valueOf', 'toJSON']);
const hookMakers = new Set(['Proxy', 'Symbol', 'defineProperty', 'defineProperties', '__defineGetter__']);

/** Gives the text of a file of the user's own. */
export type ReadText = (path: string) => Promise<string>;

/** What a file holds now. */
export const fromDisk: ReadText = (path) => readFile(path, 'utf8');

/** Reads a module of JavaScript, TypeScript or JSON. Throws what `read`, Node's stripping or acorn throw. */
export async function readOwnModule(path: string, read: ReadText): Promise<OwnModule> {
  const text = await read(path);
  if (path.endsWith('.json')) return jsonModule(path, text);
  const code = path.endsWith('ts') ? stripTypes(text) : text;
  return takeApart(path, text, parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true }));
}

/**
 * Types out, all else in its place, as Node does with what it runs. Node says once in a process that the function is experimental,
 * while it strips every file it runs by the same code: that is no news to whoever runs Millrace.
 */
function stripTypes(text: string): string {
  const before = Object.getOwnPropertyDescriptor(process, 'emitWarning');
  Object.defineProperty(process, 'emitWarning', { ...before, value: () => undefined });
  try {
    return stripTypeScriptTypes(text);
  } finally {
    if (before !== undefined) Object.defineProperty(process, 'emitWarning', before);
  }
}

function jsonModule(path: string, text: string): OwnModule {
  const none = new Map<string, never>();
  return {
    path,
    text,
    scopes: { module: new Set(), free: new Set(), bound: new Map(), assigned: new Set() },
    units: [],
    declared: none,
    imports: none,
    exports: none,
    stars: [],
    specifiers: [],
    bareSpecifiers: new Set(),
    isCommonJs: false,
    customised: false,
    json: JSON.parse(text) as unknown,
    lineOf: () => 1,
  };
}

function takeApart(path: string, text: string, program: Program): OwnModule {
  const imports = new Map<string, ImportedName>();
  const exports = new Map<string, string | ImportedName>();
  const stars: string[] = [];
  const specifiers: string[] = [];
  const bareSpecifiers = new Set<string>();
  const units: Unit[] = [];
  const declared = new Map<string, Unit>();
  const scopes = resolveScopes(program);
  const module: OwnModule = {
    path,
    text,
    scopes,
    units,
    declared,
    imports,
    exports,
    stars,
    specifiers,
    bareSpecifiers,
    isCommonJs: isCommonJs(program, scopes),
    customised: isCustomised(program),
    lineOf: (node) => node.loc?.start.line ?? 1,
  };
  const add = (kind: Unit['kind'], names: readonly string[], node: AnyNode): void => {
    const unit = { module, kind, names, node };
    units.push(unit);
    for (const name of names) declared.set(name, unit);
  };
  const declare = (node: AnyNode): string[] => {
    if (node.type === 'VariableDeclaration') return declareVariables(node, add);
    if (node.type !== 'FunctionDeclaration' && node.type !== 'ClassDeclaration') {
      add('statement', [], node);
      return [];
    }
    const names = node.id === null ? [] : [node.id.name];
    add(node.type === 'FunctionDeclaration' ? 'function' : 'class', names, node);
    return names;
  };
  for (const node of program.body) {
    switch (node.type) {
      case 'ImportDeclaration': {
        const specifier = String(node.source.value);
        specifiers.push(specifier);
        if (node.specifiers.length === 0) bareSpecifiers.add(specifier);
        for (const part of node.specifiers) {
          const name =
            part.type === 'ImportSpecifier'
              ? nameOf(part.imported)
              : part.type === 'ImportDefaultSpecifier'
                ? 'default'
                : '*';
          imports.set(part.local.name, { specifier, name });
        }
        break;
      }
      case 'ExportAllDeclaration': {
        const specifier = String(node.source.value);
        specifiers.push(specifier);
        if (node.exported) exports.set(nameOf(node.exported), { specifier, name: '*' });
        else stars.push(specifier);
        break;
      }
      case 'ExportNamedDeclaration': {
        if (node.declaration) for (const name of declare(node.declaration)) exports.set(name, name);
        const specifier = node.source ? String(node.source.value) : null;
        if (specifier !== null) specifiers.push(specifier);
        for (const { local, exported } of node.specifiers) {
          const name = nameOf(local);
          exports.set(nameOf(exported), specifier === null ? name : { specifier, name });
        }
        break;
      }
      case 'ExportDefaultDeclaration': {
        const { declaration } = node;
        const isDeclaration = declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration';
        const named = isDeclaration && declaration.id !== null ? declare(declaration) : [];
        if (named.length === 0) add('default', [DEFAULT], declaration);
        exports.set('default', named[0] ?? DEFAULT);
        break;
      }
      default:
        if (node.type !== 'EmptyStatement') declare(node);
    }
  }
  walk(program, (node) => {
    if (node.type !== 'ImportExpression' || node.source.type !== 'Literal') return;
    specifiers.push(String(node.source.value));
  });
  return module;
}

function declareVariables(
  { kind, declarations }: VariableDeclaration,
  add: (kind: Unit['kind'], names: readonly string[], node: AnyNode) => void,
): string[] {
  return declarations.flatMap((declarator) => {
    const names = boundNames(declarator.id);
    add(kind, names, declarator);
    return names;
  });
}

function isCommonJs(program: Program, { free }: Scopes): boolean {
  if (program.body.some((node) => /^(?:Import|Export)/.test(node.type))) return false;
  return [...free].some(({ name }) => name === 'require' || name === 'module' || name === 'exports');
}

function isCustomised(program: Program): boolean {
  let found = false;
  walk(program, (node) => {
    if (node.type === 'Property' || node.type === 'MethodDefinition') {
      const key = node.key.type === 'PrivateIdentifier' ? null : writtenName(node.key, node.computed);
      found ||= node.kind === 'get' || node.kind === 'set' || conversions.has(key ?? '');
    } else if (node.type === 'Identifier') found ||= hookMakers.has(node.name);
  });
  return found;
}

function nameOf(node: Identifier | Literal): string {
  return node.type === 'Identifier' ? node.name : String(node.value);
}
