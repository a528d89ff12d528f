import type { About, AboutKind } from '../../engine/define/about.ts';
import { windowText } from '../../engine/define/duration.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { aboutIn, type ConsoleLook } from '../console-look.ts';
import { pathTo } from '../markup/parts.ts';

export const ENTRY_KINDS = ['view', 'feature', 'source', 'entity', 'service', 'model', 'label set'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** Something that can be found. */
export interface CatalogueEntry {
  readonly kind: EntryKind;
  readonly name: string;
  readonly href: string;
  /** What it is, in a word or some. */
  readonly detail: string;
  readonly about: About | undefined;
}

/** All there is for the caller, kind by kind. */
export function catalogueOf(look: ConsoleLook): CatalogueEntry[] {
  const entry = (
    kind: EntryKind,
    name: string,
    href: string,
    detail: string,
    of: AboutKind | null,
  ): CatalogueEntry => ({
    kind,
    name,
    href,
    detail,
    about: of === null ? undefined : aboutIn(look, of, name),
  });
  const views = [...look.views.values()];
  const entities = [...new Set(views.map(({ layout }) => layout.entity))].toSorted();
  return [
    ...views.map(({ view, layout, source, status }) =>
      entry('view', view, pathTo('views', view), `of ${layout.entity}, from ${source}, ${status}`, 'feature view'),
    ),
    ...views.flatMap(({ view, layout }) =>
      layout.features.map(({ name, aggregate, windowUs, agoUs, result }) =>
        entry(
          'feature',
          `${view}.${name}`,
          pathTo('views', view, 'features', name),
          `${aggregate}${aggregate === 'derived' ? '' : `, ${windowText(windowUs, agoUs)}`}, ${nameOfType(result)}`,
          null,
        ),
      ),
    ),
    ...look.sources.map((name) => entry('source', name, pathTo('sources', name), '', 'source')),
    ...entities.map((name) => entry('entity', name, pathTo('entities', name), '', 'entity')),
    ...look.services.map(({ service, views: read }) =>
      entry('service', service, pathTo('services', service), `reads ${read.join(', ')}`, 'feature service'),
    ),
    ...look.models.map(({ model, service, version }) =>
      entry('model', model, pathTo('models', model), `version ${version}, on ${service}`, null),
    ),
    ...look.labelSets.map(({ name, decisions, outcomes }) =>
      entry('label set', name, pathTo('label-sets', name), `${outcomes.name} of ${decisions.name}`, 'label set'),
    ),
  ];
}

/** The entries in which every word stands, whatever its case; names first. */
export function found(entries: readonly CatalogueEntry[], search: string, kind: string | undefined): CatalogueEntry[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, 10);
  const matches = entries.filter(({ kind: own, name, about, detail }) => {
    if (kind !== undefined && kind !== '' && own !== kind) return false;
    const { description = '', owner = '', tags = [] } = about ?? {};
    const text = [name, detail, description, owner, ...tags].join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const isNamed = ({ name }: CatalogueEntry): number =>
    words.every((word) => name.toLowerCase().includes(word)) ? 0 : 1;
  return words.length === 0 ? matches : matches.toSorted((a, b) => isNamed(a) - isNamed(b));
}
