import { isBuiltin, registerHooks, type LoadFnOutput } from 'node:module';
import { posix } from 'node:path';
import type { OutsideName } from '../code/view-code.ts';
import { BUNDLE_SCHEME, importByNode, installedModule, QUICK_ENTRY, WHOLE_ENTRY } from '../define/installed-modules.ts';
import { ownModule } from '../installation/own-module.ts';
import type { BundledCode } from './view-bundle.ts';

/** A bundle while Node imports it. */
interface OpenModules {
  readonly own: ReadonlyMap<string, string>;
  /** By importing folder and specifier: what is taken of that package, with the number it is exported under. */
  readonly outside: ReadonlyMap<string, readonly NumberedName[]>;
  readonly packages: string;
  readonly entry: string;
  /** Of imports by `*`: what there is, once the packages were evaluated. */
  readonly all: Map<number, readonly string[]>;
}

interface NumberedName {
  readonly name: string;
  readonly number: number;
}

const require = ownModule('./package-require', import.meta.url).href;
const open = new Map<string, OpenModules>();
let hooksInstalled = false;
let imports = 0;

/**
 * Imports a bundle's modules as those of a folder are, and gives what its entry exports. Nothing of it comes from a disk but Millrace, zod and
 * Node's modules. Throws what the import throws.
 */
export async function importBundle(bundle: BundledCode): Promise<Readonly<Record<string, unknown>>> {
  installHooks();
  try {
    return await importWith(bundle, QUICK_ENTRY);
  } catch (cause) {
    // A file that also makes a client, say: nothing was evaluated yet.
    if (!/does not provide an export named/.test(String(cause))) throw cause;
    return importWith(bundle, WHOLE_ENTRY);
  }
}

async function importWith(bundle: BundledCode, entry: string): Promise<Readonly<Record<string, unknown>>> {
  imports += 1;
  // Node keeps what it imported: each import has a place of its own.
  const place = `import-${imports}`;
  const modules: OpenModules = {
    own: new Map(bundle.modules.map(({ path, text }) => [path, text])),
    outside: byImport(bundle.packages.imports),
    packages: bundle.packages.runnable,
    entry,
    all: new Map(),
  };
  open.set(place, modules);
  try {
    await nameAll(bundle.packages.imports, modules, urlOf(place, 'packages', ''));
    for (const path of bundle.roots) await importByNode(urlOf(place, 'own', path));
    return await importByNode(urlOf(place, 'own', bundle.entry.path));
  } finally {
    open.delete(place);
  }
}

function byImport(imports: readonly OutsideName[]): Map<string, readonly NumberedName[]> {
  const found = new Map<string, NumberedName[]>();
  for (const [number, { from, specifier, name }] of imports.entries()) {
    const key = importKey(from, specifier);
    found.set(key, [...(found.get(key) ?? []), { name, number }]);
  }
  return found;
}

function importKey(folder: string, specifier: string): string {
  return `${folder}\0${specifier}`;
}

/** Where all of a package is asked for, its names are known only once it was evaluated. */
async function nameAll(imports: readonly OutsideName[], { all }: OpenModules, packages: string): Promise<void> {
  const whole = [...imports.entries()].filter(([, { name }]) => name === '*');
  if (whole.length === 0) return;
  const evaluated = await importByNode(packages);
  for (const [number] of whole) all.set(number, Object.keys(evaluated[`used${number}`] as object));
}

function urlOf(place: string, kind: 'own' | 'packages' | 'outside', path: string): string {
  return `${BUNDLE_SCHEME}//${place}/${kind}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

interface Placed {
  readonly place: string;
  readonly kind: string;
  readonly path: string;
  readonly modules: OpenModules;
}

function placed(url: string): Placed {
  const { host: place, pathname } = new URL(url);
  const [, kind = '', ...path] = pathname.split('/').map(decodeURIComponent);
  const modules = open.get(place);
  if (modules === undefined) throw new Error('a bundle imports nothing more once it was opened');
  return { place, kind, path: path.join('/'), modules };
}

function installHooks(): void {
  if (hooksInstalled) return;
  hooksInstalled = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier.startsWith(BUNDLE_SCHEME)) return { url: specifier, shortCircuit: true };
      if (!context.parentURL?.startsWith(BUNDLE_SCHEME)) return nextResolve(specifier, context);
      const importer = placed(context.parentURL);
      const within = importer.kind === 'own' ? withinBundle(specifier, importer) : null;
      if (within !== null) return { url: within, shortCircuit: true, importAttributes: context.importAttributes };
      const installed = installedModule(specifier, importer.modules.entry);
      if (installed !== null) return nextResolve(installed.specifier, { ...context, parentURL: installed.parentURL });
      if (isBuiltin(specifier) || specifier === require) {
        return nextResolve(specifier, { ...context, parentURL: import.meta.url });
      }
      if (specifier.startsWith('node:')) throw new Error(`this Node has no module "${specifier}"`);
      throw new Error(`the bundle holds no "${specifier}"`);
    },
    load(url, context, nextLoad) {
      return url.startsWith(BUNDLE_SCHEME) ? loaded(placed(url)) : nextLoad(url, context);
    },
  });
}

/** The URL of what a module imports of the bundle; null for what is not the bundle's. */
function withinBundle(specifier: string, { place, path, modules }: Placed): string | null {
  const folder = posix.dirname(path) === '.' ? '' : posix.dirname(path);
  const key = importKey(folder, specifier);
  if (modules.outside.has(key)) return urlOf(place, 'outside', key);
  if (!/^\.{1,2}\//.test(specifier)) return null;
  const own = posix.join(folder, decodeURIComponent(specifier.replace(/[?#].*$/, '')));
  return modules.own.has(own) ? urlOf(place, 'own', own) : null;
}

const formats: Readonly<Record<string, string>> = {
  '.ts': 'module-typescript',
  '.mts': 'module-typescript',
  '.json': 'json',
};

function loaded({ place, kind, path, modules }: Placed): LoadFnOutput {
  const result = (source: string, format = 'module'): LoadFnOutput => ({ format, source, shortCircuit: true });
  if (kind === 'packages') {
    // On the same line, so that lines stay what they are.
    return result(`import { bundledRequire as require } from ${JSON.stringify(require)};${modules.packages}`);
  }
  if (kind === 'outside') {
    return result(outsideModule(modules.outside.get(path) ?? [], modules.all, urlOf(place, 'packages', '')));
  }
  return result(modules.own.get(path) ?? '', formats[posix.extname(path)]);
}

/** A module that gives what one module imports of a package by one specifier. */
function outsideModule(
  names: readonly NumberedName[],
  all: ReadonlyMap<number, readonly string[]>,
  packages: string,
): string {
  const from = JSON.stringify(packages);
  const named = names.filter(({ name }) => name !== '*' && name !== '');
  const passed = named.map(({ name, number }) => `used${number} as ${JSON.stringify(name)}`);
  const whole = names.find(({ name }) => name === '*');
  const known = new Set(named.map(({ name }) => name));
  const rest = whole === undefined ? [] : (all.get(whole.number) ?? []).filter((name) => !known.has(name));
  return [
    `import ${from};`,
    `export { ${passed.join(', ')} } from ${from};`,
    ...(whole === undefined ? [] : [`import { used${whole.number} as all } from ${from};`]),
    ...rest.map((name, index) => `const name${index} = all[${JSON.stringify(name)}];`),
    `export { ${rest.map((name, index) => `name${index} as ${JSON.stringify(name)}`).join(', ')} };`,
  ].join('\n');
}
