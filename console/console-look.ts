import { type About, type AboutKind, aboutKey } from '../engine/define/about.ts';
import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import type { ServiceRow } from '../engine/define/list-definitions.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { ConsoleCaller, ConsoleDeps } from './console-deps.ts';
import type { CatalogModel, CatalogView, LiveCatalog } from './read/live-catalog.ts';

/** One look at the console: who looks, when, and what there is for them. */
export interface ConsoleLook {
  readonly deps: ConsoleDeps;
  readonly caller: ConsoleCaller;
  readonly nowUs: number;
  /** Those that the caller may see, by name; all the following, too. */
  readonly views: ReadonlyMap<string, CatalogView>;
  readonly services: readonly ServiceRow[];
  readonly models: readonly CatalogModel[];
  readonly labelSets: readonly CompiledLabelSet[];
  readonly sources: readonly string[];
}

/** What there is, for one who looks: three statements, whatever the page. */
export async function lookAt(deps: ConsoleDeps, catalog: LiveCatalog, caller: ConsoleCaller): Promise<ConsoleLook> {
  const [all, services, models] = await Promise.all([catalog.views(), deps.services(), catalog.models()]);
  const views = new Map([...all].filter(([view]) => caller.mayReadView(view)));
  const seen = [...views.values()].map(({ source }) => source);
  const { sources, labelSets } = deps.definitions;
  return {
    deps,
    caller,
    nowUs: deps.clock.nowUs(),
    views,
    services: services.filter(({ service }) => caller.mayReadService(service)),
    models: models.filter(({ service }) => caller.mayReadService(service)),
    labelSets: caller.readsAll ? [...labelSets.values()] : [],
    sources: [...new Set([...seen, ...(caller.readsAll ? sources.keys() : [])])].toSorted(),
  };
}

/** What is told of a definition. */
export function aboutIn({ deps }: ConsoleLook, kind: AboutKind, name: string): About | undefined {
  return deps.definitions.abouts.get(aboutKey(kind, name));
}

/** A view that the caller may see. Throws MillraceError `not-in-console`. */
export function viewIn({ views }: ConsoleLook, name: string): CatalogView {
  return views.get(name) ?? notInConsole('view', name);
}

/** The refusal of what is not there, or not for this caller: these are not told apart. */
export function notInConsole(kind: string, name: string): never {
  throw new MillraceError('not-in-console', `there is no ${kind} "${name}", or the token does not cover it`, {
    remedy: 'Look for it in the catalogue.',
    httpStatus: 404,
  });
}
