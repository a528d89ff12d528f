import type { CompiledService, CompiledView } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { bundledCode } from './bundled-code.ts';
import { bundleIncomplete } from './bundle-faults.ts';
import { tryBundle } from './try-bundle.ts';
import { tryServiceBundle } from './try-service-bundle.ts';
import { checkSize, type ServiceBundle, type ViewBundle } from './view-bundle.ts';

/**
 * Makes the bundle of a view that was loaded from a folder, and tries it: what comes out of the bundle gives what the folder's view gives.
 *
 * @throws MillraceError `bundle-incomplete` where its code cannot stand for itself (a view made in memory, a native addon, a package that reads
 * files of its own), `bundle-too-large`
 * @example
 * const bundle = await makeBundle(definitions.views.get('route_delays')!);
 */
export async function makeBundle(view: CompiledView): Promise<ViewBundle> {
  const { carried } = view;
  const subject = `view "${view.name}"`;
  if (carried === undefined) throw madeInMemory(subject);
  const bundle: ViewBundle = {
    form: 1,
    view: view.name,
    fingerprint: view.fingerprint,
    semantics: view.layout.semantics,
    ...(await bundledCode(subject, carried)),
    declared: carried.declared,
    tags: view.tags ?? null,
  };
  checkSize(bundle);
  await tryBundle(bundle, view, carried);
  return bundle;
}

/**
 * The same of what a service derives.
 *
 * @throws MillraceError `bundle-incomplete`, `bundle-too-large`
 * @example
 * const bundle = await makeServiceBundle(definitions.services.get('delay_model')!);
 */
export async function makeServiceBundle(service: CompiledService): Promise<ServiceBundle> {
  const { carried, derivedTag } = service;
  const subject = `service "${service.name}"`;
  if (derivedTag === undefined) throw internalBug(`${subject} derives nothing`);
  if (carried === undefined) throw madeInMemory(subject);
  const bundle: ServiceBundle = {
    form: 1,
    service: service.name,
    fingerprint: derivedTag,
    ...(await bundledCode(subject, carried)),
    declared: carried.declared,
  };
  checkSize(bundle);
  await tryServiceBundle(bundle, service);
  return bundle;
}

function madeInMemory(subject: string): Error {
  return bundleIncomplete(subject, 'it was made in memory, and no file holds its code');
}
