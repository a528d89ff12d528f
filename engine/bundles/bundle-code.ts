import { type ModuleGraph, readModuleGraph } from '../code/module-graph.ts';
import { type ExportCode, exportCodeReader } from '../code/view-code.ts';
import { packageForm } from '../code/package-form.ts';
import type { CarriedFiles } from '../define/carried-code.ts';
import type { CompiledService, CompiledView } from '../define/compiled-view.ts';
import { tablesUsed } from '../define/code-identity.ts';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import type { BundledCode, ServiceBundle, ViewBundle } from './view-bundle.ts';

/** Where a bundle's modules lie for whoever reads them: nowhere on any disk. */
export const ROOT = '/millrace-bundle/';

/** The modules of a bundle, read as those of a folder are. Throws what reading a module throws. */
export function readBundleGraph({ modules, roots }: Pick<BundledCode, 'modules' | 'roots'>): Promise<ModuleGraph> {
  const texts = new Map(modules.map(({ path, text }) => [ROOT + path, text]));
  return readModuleGraph(
    roots.map((path) => ROOT + path),
    (path) => {
      const text = texts.get(path);
      if (text === undefined) return Promise.reject(new Error(`no module ${path.slice(ROOT.length)}`));
      return Promise.resolve(text);
    },
  );
}

/** What the definition's export of a bundle consists of, by the reading of this release. */
export async function readBundleCode(
  bundle: Pick<BundledCode, 'modules' | 'roots' | 'entry' | 'globalsChanged'>,
): Promise<ExportCode> {
  const read = exportCodeReader(await readBundleGraph(bundle), { globalsChanged: bundle.globalsChanged });
  return read(ROOT + bundle.entry.path, bundle.entry.exportName);
}

/**
 * Whether a definition is the version that a bundle is of: what decides values is equal, by one reading of both with the code of this release,
 * whatever bundler or release stored it.
 *
 * @example
 * if (await sameVersion(view, bundle)) version = bundle.fingerprint;
 */
export async function sameVersion(view: CompiledView, bundle: ViewBundle): Promise<boolean> {
  if (view.name !== bundle.view || bundle.semantics !== ENGINE_SEMANTICS) return false;
  if (view.fingerprint === bundle.fingerprint) return true;
  if (view.carried === undefined) return false;
  if (JSON.stringify(view.carried.declared) !== JSON.stringify(bundle.declared)) return false;
  return sameCode(view.carried, bundle);
}

/** Whether a service derives what a bundle of it does, of the same request: told as `sameVersion` tells it. */
export async function sameDerivedCode(
  { name, derivedTag, carried }: CompiledService,
  bundle: ServiceBundle,
): Promise<boolean> {
  if (name !== bundle.service || derivedTag === undefined) return false;
  if (derivedTag === bundle.fingerprint) return true;
  if (carried === undefined) return false;
  const told = ({ request, derived }: ServiceBundle['declared']): string =>
    JSON.stringify([request, derived.map(({ name: feature, type, block }) => [feature, type, block])]);
  return told(carried.declared) === told(bundle.declared) && (await sameCode(carried, bundle));
}

async function sameCode({ code }: CarriedFiles, bundle: BundledCode): Promise<boolean> {
  const { packages } = code;
  const isSame =
    JSON.stringify(tablesUsed([code.text, packages.text])) === JSON.stringify(bundle.tables) &&
    JSON.stringify(packages.packages) === JSON.stringify(bundle.packages.names);
  if (!isSame || packageForm(packages.text) !== packageForm(bundle.packages.counted ?? bundle.packages.runnable))
    return false;
  return code.text === (await readBundleCode(bundle)).text;
}
