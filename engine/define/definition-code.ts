import { relative, sep } from 'node:path';
import { type ModuleGraph, readModuleGraph } from '../code/module-graph.ts';
import { type PackageCode, readPackageCode } from '../code/package-code.ts';
import { type CodeOptions, codeReaders, type OutsideName, type ViewParts } from '../code/view-code.ts';
import { type ImpureUse, scanCode } from '../purity/scan-code.ts';
import { codeDigest } from './code-identity.ts';
import { type DefinitionFault, faultReporter } from './definition-fault.ts';
import type { FeatureService } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import type { AnyLabelSet } from './label-set.ts';
import type { LoadedDefinition, LoadedDefinitions } from './loaded-definitions.ts';

/** What a view consists of beside what its definition says as data. */
export interface DefinitionCode {
  /** Canonical text of the user's own code. */
  readonly text: string;
  readonly packages: PackageCode;
  /** What it takes from outside, in the order of the packages' code. */
  readonly outside: readonly OutsideName[];
  /** What is impure in it by name. */
  readonly uses: readonly ImpureUse[];
  /** Null where its features cannot be told apart: then the whole is each one's. */
  readonly parts: CodeParts | null;
}

/** Digests of a view's code. */
export interface CodeParts {
  /** Of what counts for all of its features. */
  readonly common: string;
  /** With what one feature aggregates, where that is code of its own. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Of what is derived of the features; null where there is nothing, or it counts for all of them. */
  readonly derived: string | null;
}

/** The user's own files that definitions come to, as they were read. */
export interface OwnFiles {
  /** Those that were imported by name, in that order. Absolute paths. */
  readonly roots: readonly string[];
  readonly texts: ReadonlyMap<string, string>;
}

/** What has code: a view, a service that derives features, a label set. */
export type Coded = FeatureView | FeatureService | AnyLabelSet;

function kindOf({ kind }: Coded): string {
  return kind.replace('-', ' ');
}

/** The code of views, and the files it is in. */
export interface ReadCode {
  readonly codes: ReadonlyMap<Coded, DefinitionCode>;
  readonly files: OwnFiles;
}

const nothing: ReadCode = { codes: new Map(), files: { roots: [], texts: new Map() } };

/**
 * Reads the code of views that were loaded from files; what cannot be read is a fault. Views made in memory have none.
 */
export async function readDefinitionCode(
  views: ReadonlyMap<Coded, LoadedDefinition>,
  { folder, files }: LoadedDefinitions,
  options: CodeOptions,
  faults: DefinitionFault[],
): Promise<ReadCode> {
  if (files.length === 0) return nothing;
  let graph: ModuleGraph;
  try {
    graph = await readModuleGraph(files);
  } catch (cause) {
    unreadable(faultReporter(faults, 'file', nameOf(files[0] as string, folder)), cause, folder);
    return nothing;
  }
  const { whole, parts } = codeReaders(graph, options);
  // Views of a file mostly use the same packages.
  const bundles = new Map<string, Promise<PackageCode>>();
  const packagesOf = (outside: readonly OutsideName[]): Promise<PackageCode> => {
    const key = JSON.stringify(outside);
    const bundle = bundles.get(key) ?? readPackageCode(outside, folder);
    bundles.set(key, bundle);
    return bundle;
  };
  const codeOf = async (view: Coded, file: string, exportName: string): Promise<DefinitionCode | null> => {
    try {
      const { text, units, outside } = whole(file, exportName);
      const apart = parts(file, exportName);
      return {
        text,
        outside,
        packages: await packagesOf(outside),
        uses: scanCode(units, graph),
        parts: apart && (await digestParts(apart, packagesOf)),
      };
    } catch (cause) {
      unreadable(faultReporter(faults, kindOf(view), view.name), cause, folder);
      return null;
    }
  };
  const codes = await Promise.all(
    [...views].map(async ([view, { file, exportName }]) => ({
      view,
      code: file === null ? null : await codeOf(view, file, exportName),
    })),
  );
  return {
    codes: new Map(codes.flatMap(({ view, code }) => (code === null ? [] : [[view, code] as const]))),
    files: { roots: files, texts: graph.texts },
  };
}

async function digestParts(
  { common, inputs, derived }: ViewParts,
  packagesOf: (outside: readonly OutsideName[]) => Promise<PackageCode>,
): Promise<CodeParts> {
  const digest = async ({ text, outside }: ViewParts['common']): Promise<string> =>
    codeDigest({ text, packages: await packagesOf(outside) });
  const digested = [...inputs].map(async ([name, input]) => [name, await digest(input)] as const);
  return {
    common: await digest(common),
    inputs: new Map(await Promise.all(digested)),
    derived: derived && (await digest(derived)),
  };
}

/** Reports what is impure by name, where it was not told already of the same view or line. */
export function reportUses(codes: ReadonlyMap<Coded, DefinitionCode>, folder: string, faults: DefinitionFault[]): void {
  for (const [view, { uses }] of codes) {
    const labels = new Set<string>();
    for (const { label, remedy, file, line } of uses) {
      const name = nameOf(file, folder);
      const told = faults.some(
        (fault) =>
          fault.message.includes(label) &&
          ((fault.kind === kindOf(view) && fault.definition === view.name) ||
            (fault.kind === 'file' && fault.definition === name && fault.path === `line ${line}`)),
      );
      if (told || labels.has(label)) continue;
      labels.add(label);
      const report = faultReporter(faults, kindOf(view), view.name);
      report('impure-code', '', `its code uses ${label} (${name}, line ${line})`, remedy);
    }
  }
}

/** A file as messages name it. */
export function nameOf(file: string, folder: string): string {
  return relative(folder, file).split(sep).join('/');
}

function unreadable(report: ReturnType<typeof faultReporter>, cause: unknown, folder: string): void {
  const reason = (cause instanceof Error ? cause.message : String(cause)).replaceAll(`${folder}${sep}`, '');
  report(
    'definition-unreadable',
    '',
    `its code cannot be taken apart: ${reason}`,
    'Import only what exists and what Node can run.',
  );
}
