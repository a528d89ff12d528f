import { compileStored } from '../define/compile-stored.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { type Definition, isDefinition } from '../define/loaded-definitions.ts';
import { semanticsRetired } from '../define/semantics.ts';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import { importBundle } from './bundle-modules.ts';
import { bundleUnfit } from './bundle-faults.ts';
import { bundleSubject, type ServiceBundle, type ViewBundle } from './view-bundle.ts';

/**
 * The view of a bundle, ready to run: its own code, by the contract that was stored. Each call imports the code anew, and Node keeps it as long as
 * the process lives.
 *
 * @param baseFolder what the history's path is relative to here, absolute
 * @throws MillraceError `semantics-retired`, `bundle-unfit` where it imports what this process lacks, or comes out as another definition
 * @example
 * const view = await openBundle(bundle, '/srv/models');
 */
export async function openBundle(bundle: ViewBundle, baseFolder: string): Promise<CompiledView> {
  const { view: name, fingerprint, semantics, entry } = bundle;
  if (semantics !== ENGINE_SEMANTICS) throw semanticsRetired(name, null, semantics);
  const definition = await importedDefinition(bundle, 'feature-view', name);
  const subject = bundleSubject(bundle);
  if (definition === null)
    throw bundleUnfit(subject, fingerprint, `${entry.path} exports no view as ${entry.exportName}`);
  const { view, misfit } = compileStored(definition, bundle.declared, baseFolder);
  if (view === null) throw bundleUnfit(subject, fingerprint, misfit);
  const { slots: _, ...ready } = view;
  return Object.freeze({ ...ready, fingerprint, ...(bundle.tags === null ? {} : { tags: bundle.tags }) });
}

/** The definition that a bundle is of; null where it exports none of that kind and name. Throws MillraceError `bundle-unfit`. */
export async function importedDefinition<Kind extends Definition['kind']>(
  bundle: ViewBundle | ServiceBundle,
  kind: Kind,
  name: string,
): Promise<Extract<Definition, { readonly kind: Kind }> | null> {
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await importBundle(bundle);
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? cause.name) : String(cause);
    throw bundleUnfit(bundleSubject(bundle), bundle.fingerprint, reason, cause);
  }
  const found = exported[bundle.entry.exportName];
  return isDefinition(found) && found.kind === kind && found.name === name
    ? (found as Extract<Definition, { readonly kind: Kind }>)
    : null;
}
