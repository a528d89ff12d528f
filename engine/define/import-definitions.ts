import { readdirSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MillraceError } from '../errors/millrace-error.ts';
import { BUNDLE_SCHEME, importByNode, installedModule, QUICK_ENTRY, WHOLE_ENTRY } from './installed-modules.ts';
import { isDefinition, type LoadedDefinition, type LoadedDefinitions } from './loaded-definitions.ts';

const loadMark = 'millrace-load';
const marked = new RegExp(`[?&](${loadMark}=\\d+)$`);
let hooksInstalled = false;
let loads = 0;
let entry = QUICK_ENTRY;

/**
 * Imports what a folder exports: its `index.ts`, or all its `*.ts` where there is none. `millrace` and `zod` resolve to the running
 * installation, wherever the folder is. Each call reads the files anew.
 *
 * @throws MillraceError `definitions-not-found`, or `definition-unreadable` naming every file that cannot be imported.
 */
export async function importDefinitions(folder: string): Promise<LoadedDefinitions> {
  const absolute = resolve(folder);
  const files = definitionFiles(absolute);
  installHooks();
  let { definitions, failures } = await importFiles(files, absolute, QUICK_ENTRY);
  // A file that also makes a client, say.
  if (failures.some(({ cause }) => /does not provide an export named/.test(String(cause)))) {
    ({ definitions, failures } = await importFiles(files, absolute, WHOLE_ENTRY));
  }
  if (failures.length > 0) {
    throw new MillraceError('definition-unreadable', [...new Set(failures.map(({ message }) => message))].join('\n'), {
      remedy: 'Correct the file; `node` runs it as it is, without a build.',
      cause: failures[0]?.cause,
    });
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
  return { folder: absolute, baseFolder: dirname(absolute), definitions, files };
}

interface Imported {
  readonly definitions: readonly LoadedDefinition[];
  readonly failures: readonly Failure[];
}

async function importFiles(files: readonly string[], folder: string, millrace: string): Promise<Imported> {
  loads += 1;
  entry = millrace;
  const definitions: LoadedDefinition[] = [];
  const failures: Failure[] = [];
  for (const file of files) {
    const imported = await importFile(file, folder);
    if ('cause' in imported) failures.push(imported);
    else {
      for (const [exportName, value] of Object.entries(imported.exports)) {
        if (isDefinition(value)) definitions.push({ value, file, exportName });
      }
    }
  }
  return { definitions, failures };
}

/** The file of the user's own that a script is, by the URL Node knows it under; null for all else. */
export function ownScript(url: string): string | null {
  return marked.test(url) ? fileURLToPath(url.replace(marked, '')) : null;
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

interface Failure {
  readonly message: string;
  readonly cause: unknown;
}

async function importFile(
  file: string,
  folder: string,
): Promise<Failure | { readonly exports: Readonly<Record<string, unknown>> }> {
  try {
    return { exports: await importByNode(`${pathToFileURL(file).href}?${loadMark}=${loads}`) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    return { message: `${failingFile(cause, folder) ?? relative(folder, file)}: ${reason}`, cause };
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
      if (context.parentURL?.startsWith(BUNDLE_SCHEME)) return nextResolve(specifier, context);
      const mark = marked.exec(context.parentURL ?? '')?.[1];
      const installed = installedModule(specifier, entry);
      if (installed !== null) return nextResolve(installed.specifier, { ...context, parentURL: installed.parentURL });
      const resolved = nextResolve(specifier, context);
      if (mark === undefined || !/^\.{0,2}\//.test(specifier) || !resolved.url.startsWith('file:')) return resolved;
      return { ...resolved, url: `${pathToFileURL(fileURLToPath(resolved.url)).href}?${mark}` };
    },
  });
}
