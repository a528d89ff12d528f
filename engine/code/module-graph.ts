import { isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fromDisk, type ImportedName, type OwnModule, type ReadText, readOwnModule, type Unit } from './own-module.ts';

/** What a name comes to, however often it was passed on. */
export type Target =
  | { readonly kind: 'unit'; readonly unit: Unit; readonly name: string }
  | { readonly kind: 'module'; readonly module: OwnModule }
  /** An export of a package, of Node or of Millrace, as a module in `from` (a folder) names it. */
  | { readonly kind: 'outside'; readonly specifier: string; readonly from: string; readonly name: string };

/** All modules of the user's own that some files come to; what they import from packages is named, not read. */
export interface ModuleGraph {
  /** All of them, in the order Node evaluates them. */
  readonly modules: readonly OwnModule[];
  /** What every file that was read holds, by path. */
  readonly texts: ReadonlyMap<string, string>;
  /** What an export of a file is; undefined where there is none of that name. */
  exported(file: string, name: string): Target | undefined;
  /** What a top-level name of a module is; undefined where it is not known. */
  named(module: OwnModule, name: string): Target | undefined;
  /** Every export of a module by name, sorted, without `default` of others. */
  exportsOf(module: OwnModule): ReadonlyMap<string, Target>;
  /** Whether any module has code that runs where a value is but read (`OwnModule.customised`). */
  readonly customised: boolean;
  /** The module an own specifier means; null for what is outside. */
  imported(module: OwnModule, specifier: string): OwnModule | null;
}

/** What neither Node nor Millrace brings along: packages, and files of the user's own that only a bundler can take apart. */
export function isPackage(specifier: string): boolean {
  return !isBuiltin(specifier) && !/^(?:millrace|zod)(?:\/|$)/.test(specifier);
}

const readable = /\.(?:[mc]?ts|m?js|json)$/;

/** The file an import of the user's own means; null for packages, Node's modules, and what only a bundler could take apart. */
export function ownFile(specifier: string, importer: string): string | null {
  if (!/^(?:\.{0,2}\/|file:)/.test(specifier)) return null;
  const path = fileURLToPath(new URL(specifier, pathToFileURL(importer)));
  return readable.test(path) && !path.endsWith('.cts') ? path : null;
}

/**
 * Reads the files and all of the user's own that they import. Throws what reading a module throws.
 *
 * @param textOf gives their texts; by default, the disk
 */
export async function readModuleGraph(files: readonly string[], textOf: ReadText = fromDisk): Promise<ModuleGraph> {
  const modules = new Map<string, OwnModule>();
  let waiting = [...new Set(files)];
  while (waiting.length > 0) {
    const read = await Promise.all(waiting.map((path) => readOwnModule(path, textOf)));
    for (const module of read) modules.set(module.path, module);
    const next = read.flatMap((module) => importedFiles(module));
    waiting = [...new Set(next)].filter((path) => !modules.has(path));
  }
  return graphOf(modules, files);
}

function importedFiles(module: OwnModule): string[] {
  return module.specifiers.flatMap((specifier) => ownFile(specifier, module.path) ?? []);
}

function graphOf(modules: ReadonlyMap<string, OwnModule>, files: readonly string[]): ModuleGraph {
  const imported: ModuleGraph['imported'] = (module, specifier) => {
    const path = ownFile(specifier, module.path);
    const found = path === null ? undefined : modules.get(path);
    return found === undefined || found.isCommonJs ? null : found;
  };

  const follow = (module: OwnModule, { specifier, name }: ImportedName, seen: Set<string>): Target | undefined => {
    const other = imported(module, specifier);
    if (other === null) return { kind: 'outside', specifier, from: dirname(module.path), name };
    if (name === '*' || (other.json !== undefined && name === 'default')) return { kind: 'module', module: other };
    return exportOf(other, name, seen);
  };

  const exportOf = (module: OwnModule, name: string, seen: Set<string>): Target | undefined => {
    const key = `${module.path}\0${name}`;
    if (seen.has(key)) return undefined;
    seen.add(key);
    const found = module.exports.get(name);
    if (typeof found === 'string') return named(module, found, seen);
    if (found !== undefined) return follow(module, found, seen);
    if (name === 'default') return undefined;
    let outside: Target | undefined;
    for (const specifier of module.stars) {
      const target = follow(module, { specifier, name }, seen);
      // Any name might be an export of a package: what is our own is known for certain.
      if (target?.kind === 'outside') outside ??= target;
      else if (target !== undefined) return target;
    }
    return outside;
  };

  const named = (module: OwnModule, name: string, seen = new Set<string>()): Target | undefined => {
    const unit = module.declared.get(name);
    if (unit !== undefined) return { kind: 'unit', unit, name };
    const from = module.imports.get(name);
    return from && follow(module, from, seen);
  };

  const namesOf = (module: OwnModule, seen: Set<OwnModule>): string[] => {
    if (seen.has(module)) return [];
    seen.add(module);
    const passed = module.stars.flatMap((specifier) => {
      const other = imported(module, specifier);
      return other === null ? [] : namesOf(other, seen).filter((name) => name !== 'default');
    });
    return [...module.exports.keys(), ...passed];
  };

  const entered = new Set<OwnModule>();
  const order: OwnModule[] = [];
  const evaluate = (module: OwnModule | null | undefined): void => {
    if (!module || entered.has(module)) return;
    entered.add(module);
    for (const specifier of module.specifiers) evaluate(imported(module, specifier));
    order.push(module);
  };
  for (const file of files) evaluate(modules.get(file));

  return {
    customised: [...modules.values()].some((module) => module.customised),
    imported,
    modules: order,
    texts: new Map([...modules.values()].map(({ path, text }) => [path, text])),
    named: (module, name) => named(module, name),
    exported(file, name) {
      const module = modules.get(file);
      return module && exportOf(module, name, new Set());
    },
    exportsOf(module) {
      const names = [...new Set(namesOf(module, new Set()))].sort();
      return new Map(
        names.flatMap((name) => {
          const target = exportOf(module, name, new Set());
          return target === undefined ? [] : [[name, target] as const];
        }),
      );
    },
  };
}
