import { nameOfType } from '../values/type-name.ts';
import type { ScalarType } from '../values/field-type.ts';
import type { CompiledLabelSet } from './compiled-label-set.ts';
import type { CompiledService } from './compiled-view.ts';
import { formatDuration } from './duration.ts';
import { columnsByKey } from './service-blocks.ts';
import type { ViewLayout } from './view-layout.ts';

/** An entity, and the views of it. */
export interface EntityRow {
  readonly entity: string;
  readonly keys: readonly { readonly name: string; readonly type: string }[];
  readonly views: readonly string[];
}

/** A source, and the views that read it. */
export interface SourceRow {
  readonly source: string;
  readonly topic: string | null;
  readonly views: readonly string[];
}

/** A feature service, its views in its order, each once. */
export interface ServiceRow {
  readonly service: string;
  readonly views: readonly string[];
  /** What is read of it, by the name it is read by: a view, or a role of one. */
  readonly blocks: readonly BlockRow[];
  /** What it asks of its callers. */
  readonly request: readonly RequestRow[];
  /** What it derives. */
  readonly derived: readonly { readonly name: string; readonly type: string }[];
}

/** A label set, and how it makes labels. */
export interface LabelSetRow {
  readonly labelSet: string;
  readonly decisions: string;
  readonly outcomes: string;
  /** `decision`: outcomes name the decision; `key`: both sides are joined by one. */
  readonly joinedBy: 'decision' | 'key';
  /** `3d`. */
  readonly matureAfter: string;
  readonly horizon: string;
  /** `first`, `last`, `sum` or `function`. */
  readonly reduce: string;
  readonly absent: 0 | null | 'leave-out';
  /** The outcomes' field with the time since when one could be known; null: that of its record counts. */
  readonly knownAt: string | null;
  /** Stands for all that decides its labels. */
  readonly tag: string;
}

/** A field of a service's request. */
export interface RequestRow {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** Whether it may be left out. */
  readonly optional: boolean;
}

/** A view or a role of a service. */
export interface BlockRow {
  readonly name: string;
  readonly view: string;
  /** Join key of the view to the name it goes by. */
  readonly keys: Readonly<Record<string, string>>;
}

/**
 * The entities of these views by name; one whose keys differ between views, as a changed one does until all are built again, comes once for each.
 *
 * @example
 * listEntities([...definitions.views.values()].map(({ layout }) => layout));
 */
export function listEntities(layouts: readonly ViewLayout[]): EntityRow[] {
  const rows = layouts.map(({ entity, keys, view }) => ({
    entity,
    keys: keys.map(({ name, type }) => ({ name, type: nameOfType(type) })),
    view,
  }));
  return grouped(rows, ({ entity, keys }) => JSON.stringify([entity, keys])).map(([first, ...others]) => ({
    entity: first.entity,
    keys: first.keys,
    views: [first, ...others].map(({ view }) => view).toSorted(),
  }));
}

/** The sources that these views read, by name. */
export function listSources(
  views: readonly { readonly view: string; readonly source: string; readonly topic: string | null }[],
): SourceRow[] {
  return grouped(views, ({ source, topic }) => JSON.stringify([source, topic])).map(([first, ...others]) => ({
    source: first.source,
    topic: first.topic,
    views: [first, ...others].map(({ view }) => view).toSorted(),
  }));
}

/** The services by name. */
export function listServices(
  services: ReadonlyMap<
    string,
    {
      readonly blocks: readonly {
        readonly name: string;
        readonly view: { readonly name: string; readonly layout: Pick<ViewLayout, 'keys'> };
        readonly columns: readonly string[];
      }[];
      readonly request?: CompiledService['request'];
      readonly derived?: CompiledService['derived'];
    }
  >,
): ServiceRow[] {
  return [...services]
    .map(([service, { blocks, request = [], derived = [] }]) => ({
      service,
      views: [...new Set(blocks.map(({ view }) => view.name))],
      blocks: blocks.map((block) => ({ name: block.name, view: block.view.name, keys: columnsByKey(block) })),
      request: request.map(({ spec: { name, type, nullable, optional } }) => ({
        name,
        type: nameOfType(type as ScalarType),
        nullable,
        optional,
      })),
      derived: derived.map(({ name, type }) => ({ name, type: nameOfType(type) })),
    }))
    .toSorted((a, b) => (a.service < b.service ? -1 : 1));
}

/** The label sets by name. */
export function listLabelSets(labelSets: ReadonlyMap<string, CompiledLabelSet>): LabelSetRow[] {
  return [...labelSets.values()]
    .map((labels) => ({
      labelSet: labels.name,
      decisions: labels.decisions.name,
      outcomes: labels.outcomes.name,
      joinedBy: labels.isByDecision ? ('decision' as const) : ('key' as const),
      matureAfter: formatDuration(labels.matureAfterUs),
      horizon: formatDuration(labels.horizonUs),
      reduce: typeof labels.reduce === 'function' ? 'function' : labels.reduce,
      absent: labels.absent,
      knownAt: labels.knownAtField,
      tag: labels.tag,
    }))
    .toSorted((a, b) => (a.labelSet < b.labelSet ? -1 : 1));
}

/** In the order of the ids. */
function grouped<Row>(rows: readonly Row[], idOf: (row: Row) => string): [Row, ...Row[]][] {
  const groups = new Map<string, [Row, ...Row[]]>();
  for (const row of rows) {
    const group = groups.get(idOf(row));
    if (group === undefined) groups.set(idOf(row), [row]);
    else group.push(row);
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}
