import { readdirSync, statSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MillraceError } from '../errors/millrace-error.ts';
import { type CompileOptions, compileDefinitions } from './compile-definitions.ts';
import type { Definitions } from './compiled-view.ts';
import { isDefinition, type LoadedDefinition } from './loaded-definitions.ts';

const installation = import.meta.url;
const publicEntry = new URL('../../index.ts', installation).href;
const loadMark = 'millrace-load';
let hooksInstalled = false;
let loads = 0;

/**
 * Reads the definitions of a folder and makes them ready to run: its `index.ts`, or all its `*.ts` where there is none. `millrace` and
 * `zod` resolve to the running installation, wherever the folder is. Each call reads the files anew.
 *
 * @throws MillraceError `definitions-not-found`, `definition-unreadable` naming the file, or `invalid-definitions` with every fault.
 * @example
 * const definitions = await loadDefinitions('features');
 * definitions.views.get('route_delays')?.fingerprint;
 */
export async function loadDefinitions(folder: string, options: CompileOptions = {}): Promise<Definitions> {
  const absolute = resolve(folder);
  const files = definitionFiles(absolute);
  installHooks();
  loads += 1;
  const definitions: LoadedDefinition[] = [];
  for (const file of files) {
    for (const [exportName, value] of Object.entries(await importFile(file, absolute))) {
      if (isDefinition(value)) definitions.push({ value, file, exportName });
    }
  }
  if (definitions.length === 0) {
    throw new MillraceError(
      'definitions-not-found',
      `no definitions in ${absolute}: ${files.length} files export none`,
      {
        remedy: "Export what entity, source, featureView and featureService of 'millrace' return.",
      },
    );
  }
  return compileDefinitions({ folder: absolute, baseFolder: dirname(absolute), definitions }, options);
}

function definitionFiles(folder: string): string[] {
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const names = isFolder ? readdirSync(folder) : [];
  const sources = names.filter((name) => name.endsWith('.ts') && !/\.(?:d|test)\.ts$/.test(name)).sort();
  if (sources.length > 0)
    return sources.includes('index.ts') ? [join(folder, 'index.ts')] : sources.map((name) => join(folder, name));
  throw new MillraceError('definitions-not-found', `${folder}: ${isFolder ? 'has no *.ts files' : 'is not a folder'}`, {
    remedy: 'Name the folder of your definitions with --features DIR or MILLRACE_FEATURES.',
  });
}

async function importFile(file: string, folder: string): Promise<Readonly<Record<string, unknown>>> {
  const { importNatively } = createRequire(installation)(
    './import-natively.ts',
  ) as typeof import('./import-natively.ts');
  try {
    return await importNatively(`${pathToFileURL(file).href}?${loadMark}=${loads}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    const at = failingFile(cause, folder) ?? relative(folder, file);
    throw new MillraceError('definition-unreadable', `${at}: ${reason}`, {
      remedy: 'Correct the file; `node` runs it as it is, without a build.',
      cause,
    });
  }
}

/** The file of the folder that an error points at, with its line where the stack has one. */
function failingFile(cause: unknown, folder: string): string | undefined {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  for (const match of stack.matchAll(
    /(?:file:\/\/)?((?:\/|[A-Za-z]:\\)[^\s()?]+\.m?[tj]s)(?:\?[^\s:)]*)?(?::(\d+))?/g,
  )) {
    const path = relative(folder, match[1] as string);
    if (!path.startsWith('..')) return match[2] === undefined ? path : `${path}:${match[2]}`;
  }
  return undefined;
}

/** Resolves the two bare names, and marks what the definitions import of their own so that it is read anew with them. */
function installHooks(): void {
  if (hooksInstalled) return;
  hooksInstalled = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const marked = new RegExp(`[?&](${loadMark}=\\d+)$`).exec(context.parentURL ?? '')?.[1];
      if (specifier === 'millrace') return { url: publicEntry, format: 'module-typescript', shortCircuit: true };
      if (specifier === 'zod' || specifier.startsWith('zod/')) {
        return nextResolve(specifier, { ...context, parentURL: installation });
      }
      const resolved = nextResolve(specifier, context);
      if (marked === undefined || !/^\.{0,2}\//.test(specifier) || !resolved.url.startsWith('file:')) return resolved;
      return { ...resolved, url: `${pathToFileURL(fileURLToPath(resolved.url)).href}?${marked}` };
    },
  });
}
