import type { CompiledService, Definitions } from '../define/compiled-view.ts';
import { blockOf } from '../define/service-blocks.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** What is to be tried. */
export interface TrySubject {
  readonly subject: string;
  readonly service: CompiledService;
}

/**
 * The service of a name, or the view of it, as a service of it alone. A service goes first.
 *
 * @throws MillraceError `unknown-view`
 */
export function trySubject({ services, views }: Definitions, name: string): TrySubject {
  const service = services.get(name);
  if (service !== undefined) return { subject: `service ${name}`, service };
  const view = views.get(name);
  if (view !== undefined) return { subject: `view ${name}`, service: { name, blocks: [blockOf(view)] } };
  const known = [...services.keys(), ...views.keys()];
  throw new MillraceError(
    'unknown-view',
    `no service and no view "${name}"; known: ${known.length === 0 ? 'none' : known.join(', ')}`,
    { remedy: 'Correct the name, or the folder of definitions (--features).', httpStatus: 404, details: { name } },
  );
}
