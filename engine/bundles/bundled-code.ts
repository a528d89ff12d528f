import { dirname, relative, sep } from 'node:path';
import { isPackage, type ModuleGraph, ownFile, readModuleGraph } from '../code/module-graph.ts';
import type { OwnModule } from '../code/own-module.ts';
import { type PackageCode, readRunnablePackages } from '../code/package-code.ts';
import { packageImports } from '../code/package-imports.ts';
import { type ExportCode, exportCodeReader, type OutsideName } from '../code/view-code.ts';
import type { CarriedFiles } from '../define/carried-code.ts';
import { tablesUsed } from '../define/code-identity.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { readBundleCode, ROOT } from './bundle-code.ts';
import { bundleIncomplete } from './bundle-faults.ts';
import type { BundledCode, BundledModule } from './view-bundle.ts';

/**
 * The code of a definition, as its bundle has it. Throws MillraceError `bundle-incomplete`.
 *
 * @param subject what it is of, as messages say it: `view "x"`
 */
export async function bundledCode(subject: string, carried: CarriedFiles): Promise<BundledCode> {
  const graph = await readModuleGraph(carried.files.roots, (path) => {
    const text = carried.files.texts.get(path);
    return text === undefined ? Promise.reject(new Error(`no module ${path}`)) : Promise.resolve(text);
  });
  const { file, exportName } = carried.entry;
  const code = exportCodeReader(graph, carried)(file, exportName);
  for (const selection of [neededModules(graph, carried, code), allModules(graph, carried)]) {
    const own = relocated(graph, carried, selection);
    const again = await readBundleCode(own.parts).catch(() => null);
    if (again?.text !== code.text || !sameOutside(again, code, own.root)) continue;
    const packages = await bundlePackages(subject, carried, selection.modules, graph, own.root);
    return { ...own.parts, packages, tables: tablesUsed([carried.code.text, carried.code.packages.text]) };
  }
  throw internalBug(`the code of ${subject} is not what its files are`);
}

/** What goes into a bundle. */
interface Selection {
  readonly modules: readonly OwnModule[];
  readonly roots: readonly OwnModule[];
  readonly entry: { readonly file: string; readonly exportName: string };
}

/** What counts for the definition, and all that importing it evaluates. */
function neededModules(graph: ModuleGraph, { entry }: CarriedFiles, { units, outside }: ExportCode): Selection {
  const target = graph.exported(entry.file, entry.exportName);
  const own = target?.kind === 'unit' ? target.unit.module : null;
  const direct = own && [...own.exports].find(([, what]) => target?.kind === 'unit' && what === target.name)?.[0];
  const from = own && direct !== null && direct !== undefined ? { file: own.path, exportName: direct } : entry;
  const counted = new Set(units.map(({ module }) => module));
  // Where packages count, all that is imported of any does.
  if (outside.some(({ specifier, name }) => name === '' && isPackage(specifier)))
    for (const module of graph.modules)
      if (module.specifiers.some((each) => isPackage(each) && graph.imported(module, each) === null))
        counted.add(module);
  const needed = new Set<OwnModule>();
  const add = (module: OwnModule): void => {
    if (needed.has(module)) return;
    needed.add(module);
    for (const specifier of module.specifiers) {
      const other = graph.imported(module, specifier);
      if (other !== null) add(other);
    }
  };
  for (const module of graph.modules) if (counted.has(module) || module.path === from.file) add(module);
  // One after the other, they are evaluated in the order they were.
  const modules = graph.modules.filter((module) => needed.has(module));
  return { modules, roots: modules.filter(({ json }) => json === undefined), entry: from };
}

/** As the folder was imported: where modules import each other in a circle, their order hangs on where it begins. */
function allModules(graph: ModuleGraph, { entry, files }: CarriedFiles): Selection {
  const byPath = new Map(graph.modules.map((module) => [module.path, module]));
  return { modules: graph.modules, roots: files.roots.flatMap((path) => byPath.get(path) ?? []), entry };
}

interface Relocated {
  readonly root: string;
  readonly parts: Pick<BundledCode, 'entry' | 'roots' | 'modules' | 'globalsChanged'>;
}

/** The same modules below their common root. */
function relocated(graph: ModuleGraph, carried: CarriedFiles, { modules, roots, entry }: Selection): Relocated {
  const texts = new Map(modules.map(({ path, text }) => [path, text]));
  // Files of CommonJS are in the packages' code, and are read here to be told from modules.
  for (const { path, specifiers } of modules)
    for (const specifier of specifiers) {
      const file = ownFile(specifier, path);
      const text = file === null ? undefined : graph.texts.get(file);
      if (file !== null && text !== undefined) texts.set(file, text);
    }
  const root = commonRoot([...texts.keys()]);
  const below = (path: string): string => pathBelow(root, path);
  const bundled = [...texts].map(([path, text]): BundledModule => ({ path: below(path), text }));
  return {
    root,
    parts: {
      entry: { path: below(entry.file), exportName: entry.exportName },
      roots: roots.map(({ path }) => below(path)),
      modules: bundled.sort((a, b) => (a.path < b.path ? -1 : 1)),
      globalsChanged: carried.globalsChanged,
    },
  };
}

function commonRoot(paths: readonly string[]): string {
  let root = dirname(paths[0] ?? sep);
  while (!paths.every((path) => root === dirname(root) || path.startsWith(root + sep))) root = dirname(root);
  return root;
}

function pathBelow(root: string, path: string): string {
  return relative(root, path).split(sep).join('/');
}

/** Whether packages are used alike: they are what the stored code of packages is of. */
function sameOutside(again: ExportCode, code: ExportCode, root: string): boolean {
  const ofPackages = ({ outside }: ExportCode, fromOf: (from: string) => string): string =>
    JSON.stringify(
      outside
        .filter(({ specifier }) => isPackage(specifier))
        .map(({ specifier, from, name }) => [specifier, fromOf(from), name]),
    );
  return ofPackages(again, (from) => pathBelow(ROOT, from)) === ofPackages(code, (from) => pathBelow(root, from));
}

async function bundlePackages(
  subject: string,
  carried: CarriedFiles,
  modules: readonly OwnModule[],
  graph: ModuleGraph,
  root: string,
): Promise<BundledCode['packages']> {
  const imports = modules.flatMap((module) =>
    packageImports(module, (specifier) => graph.imported(module, specifier) === null && isPackage(specifier)),
  );
  const once = [...new Map(imports.map((each) => [JSON.stringify(each), each])).values()];
  const { files, text, packages } = await runnable(subject, once, carried);
  const binary = files.find((file) => /\.(?:node|wasm)$/.test(file));
  if (binary !== undefined) throw bundleIncomplete(subject, `it imports ${binary}, which is no text`);
  const { packages: counted } = carried.code;
  const gone = counted.packages.find((each) => !packages.includes(each));
  if (gone !== undefined)
    throw bundleIncomplete(subject, `${gone} was changed since the definitions were loaded; load them again`);
  return {
    names: counted.packages,
    counted: counted.text === text ? null : counted.text,
    runnable: text,
    imports: once.map((each) => ({ ...each, from: pathBelow(root, each.from) })),
  };
}

async function runnable(
  subject: string,
  imports: readonly OutsideName[],
  { folder }: CarriedFiles,
): Promise<PackageCode & { readonly files: readonly string[] }> {
  try {
    return await readRunnablePackages(imports, folder);
  } catch (cause) {
    throw bundleIncomplete(subject, cause instanceof Error ? cause.message : String(cause), cause);
  }
}
