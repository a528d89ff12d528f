import type { CompiledService } from '../define/compiled-view.ts';
import { sampledService } from '../define/probe-service.ts';
import { bundleIncomplete } from './bundle-faults.ts';
import { openServiceBundle } from './open-service-bundle.ts';
import { openedOf } from './try-bundle.ts';
import { bundleSubject, type ServiceBundle } from './view-bundle.ts';

/** Opens what was made and holds it to the folder's service on sampled reads. Throws MillraceError `bundle-incomplete`. */
export async function tryServiceBundle(bundle: ServiceBundle, service: CompiledService): Promise<void> {
  const subject = bundleSubject(bundle);
  const { request, derived } = await openedOf(subject, () => openServiceBundle(bundle));
  const { name, blocks } = service;
  const own = { name, blocks, request: service.request ?? [], derived: service.derived ?? [] };
  const [expected, received] = [own, { name, blocks, request, derived }].map((each) =>
    JSON.stringify([...sampledService(each).texts]),
  );
  if (expected !== received)
    throw bundleIncomplete(subject, 'what it derives of sampled values is something else than in its folder');
}
