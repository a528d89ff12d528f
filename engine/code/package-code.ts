import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { Metafile, Plugin } from 'esbuild';
import { isPackage } from './module-graph.ts';
import type { OutsideName } from './view-code.ts';

/** A release of esbuild. */
export type Bundler = Pick<typeof import('esbuild'), 'build'>;

/** Code of packages that an export uses. */
export interface PackageCode {
  /** `name@version` of every package whose code is in the text, sorted. */
  readonly packages: readonly string[];
  /** The code, bundled and shaken, without comments and formatting. No path of this machine is in it. */
  readonly text: string;
}

/**
 * What is used of packages, for a fingerprint: bundled, as Node would find them from the importing folders. What a package itself declares to
 * be free of side effects goes where nothing of it is used. Throws what esbuild throws.
 *
 * @param folder the folder of definitions
 * @param bundler by default, the one that is installed
 */
export async function readPackageCode(
  outside: readonly OutsideName[],
  folder: string,
  bundler?: Bundler,
): Promise<PackageCode> {
  const { packages, text } = await bundlePackages(outside, folder, undefined, bundler);
  return { packages, text };
}

/**
 * The same to be run: what modules import of CommonJS is what Node gives them. The name of the import at index 3 is exported as `used3`.
 * Throws what esbuild throws.
 */
export function readRunnablePackages(
  imports: readonly OutsideName[],
  folder: string,
): Promise<PackageCode & { readonly files: readonly string[] }> {
  return bundlePackages(imports, folder, 'bundle.mjs');
}

async function bundlePackages(
  outside: readonly OutsideName[],
  folder: string,
  sourcefile: string | undefined,
  bundler?: Bundler,
): Promise<PackageCode & { readonly files: readonly string[] }> {
  const wanted = outside.filter(({ specifier }) => isPackage(specifier));
  if (wanted.length === 0) return { packages: [], text: '', files: [] };
  // Most definitions use no packages, and a bundler is slow to start.
  const { build } = bundler ?? (await import('esbuild'));
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: wanted.map(importStatement).join('\n'),
      resolveDir: folder,
      loader: 'js',
      // An importer with this ending sees CommonJS as Node shows it.
      ...(sourcefile === undefined ? {} : { sourcefile }),
    },
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'esnext',
    // As Node resolves: esbuild's own preference for "module" would take other files than those that run.
    mainFields: ['main'],
    conditions: ['module-sync', 'node-addons'],
    external: ['millrace', 'millrace/*', 'zod', 'zod/*'],
    loader: { '.node': 'binary', '.wasm': 'binary' },
    treeShaking: true,
    minifyWhitespace: true,
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'silent',
    // No tsconfig.json of a folder around may change what is hashed.
    tsconfigRaw: '{}',
    plugins: [fromImporters(wanted)],
  });
  const code = outputFiles.map((output) => output.text).join('');
  return { ...withoutPaths(code, metafile, folder), files: Object.keys(metafile.inputs) };
}

/** The folder an import is made from goes along as a number, for `fromImporters`. */
function importStatement({ specifier, name }: OutsideName, index: number): string {
  const from = JSON.stringify(`${index}:${specifier}`);
  if (name === '') return `import ${from};`;
  if (name === '*') return `export * as used${index} from ${from};`;
  return `export { ${/^[\w$]+$/.test(name) ? name : JSON.stringify(name)} as used${index} } from ${from};`;
}

function fromImporters(wanted: readonly OutsideName[]): Plugin {
  return {
    name: 'from-importers',
    setup(setup) {
      setup.onResolve({ filter: /^\d+:/ }, ({ path, kind }) => {
        const [index, specifier] = [Number(path.slice(0, path.indexOf(':'))), path.slice(path.indexOf(':') + 1)];
        return setup.resolve(specifier, { kind, resolveDir: (wanted[index] as OutsideName).from });
      });
    },
  };
}

/** Names files of packages by package and version; esbuild writes their paths into wrappers of CommonJS modules. */
function withoutPaths(code: string, { inputs, outputs }: Metafile, folder: string): PackageCode {
  const packages = new Set<string>();
  let text = code;
  const used = Object.values(outputs).flatMap((output) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
  for (const path of Object.keys(inputs)) {
    const found = packageOf(join(folder, path));
    if (found === null) continue;
    if (used.includes(path)) packages.add(`${found.name}@${found.version}`);
    const named = `${found.name}/${relative(found.root, join(folder, path)).split(sep).join('/')}`;
    text = text.replaceAll(JSON.stringify(path), JSON.stringify(named));
  }
  return { packages: [...packages].sort(), text };
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly root: string;
}

/** The package a file belongs to: that of the nearest package.json with a name. */
function packageOf(file: string): Package | null {
  for (let root = dirname(file); ; root = dirname(root)) {
    const found = readPackage(root);
    if (found !== null) return found;
    if (root === dirname(root)) return null;
  }
}

function readPackage(root: string): Package | null {
  let text: string;
  try {
    text = readFileSync(join(root, 'package.json'), 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw cause;
  }
  const { name, version } = JSON.parse(text) as { readonly name?: string; readonly version?: string };
  return name === undefined ? null : { name, version: version ?? '', root };
}
