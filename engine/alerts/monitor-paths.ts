import type { MonitorNode } from './subject-text.ts';

/** How values come from one stage to the next: plain data, as definitions and what was observed of them tell. */
export interface MonitorPaths {
  /** View to its source. */
  readonly sourceOf: ReadonlyMap<string, string>;
  /** Service to its views. */
  readonly viewsOf: ReadonlyMap<string, readonly string[]>;
  /** View and feature (`view.feature`) to the fields of its source that it was observed to read. One that is not here may read all. */
  readonly fieldsOf: ReadonlyMap<string, readonly string[]>;
  /** View to the fields that its `where` and its key were observed to read. One that is not here may read all. */
  readonly keptBy: ReadonlyMap<string, readonly string[]>;
  /** Features (`view.feature`) whose window is longer than six hours: no hour of theirs is tested, their source's fields are. */
  readonly slow: ReadonlySet<string>;
  /** View to when another version of it was published, UTC epoch ms. */
  readonly flips: ReadonlyMap<string, readonly number[]>;
}

export const NO_PATHS: MonitorPaths = {
  sourceOf: new Map(),
  viewsOf: new Map(),
  fieldsOf: new Map(),
  keptBy: new Map(),
  slow: new Set(),
  flips: new Map(),
};

/** An input of a stage, and how it acts: what values are can change what they become; how many there are only what they are like together. */
export interface MonitorInput {
  readonly node: MonitorNode;
  /** `mixture`: it changes means and distributions alone. */
  readonly by: 'values' | 'mixture' | 'records';
}

/**
 * What a stage is made of. A field's values come with its records, a feature of fields, a view's records of its source's, what is served of what is stored.
 *
 * @param known all nodes that are looked at: a feature of unknown fields may be made of any field of its source
 */
export function inputsOf(node: MonitorNode, paths: MonitorPaths, known: readonly MonitorNode[]): MonitorInput[] {
  const { place, object, field } = node;
  const records: MonitorInput = { node: { place, object, field: null }, by: 'mixture' };
  if (place === 'source') return field === null ? [] : [records];
  if (place === 'view') {
    const source = paths.sourceOf.get(object);
    if (source === undefined) return [];
    const came: MonitorInput = { node: { place: 'source', object: source, field: null }, by: 'mixture' };
    return [came, ...fieldsRead(paths.keptBy.get(object), source, known)];
  }
  if (place === 'store') {
    const source = paths.sourceOf.get(object);
    if (source === undefined) return field === null ? [] : [records];
    const kept: MonitorInput = { node: { place: 'view', object, field: null }, by: 'records' };
    if (field === null) return [kept, { node: { place: 'source', object: source, field: null }, by: 'records' }];
    return [records, kept, ...fieldsRead(paths.fieldsOf.get(`${object}.${field}`), source, known)];
  }
  const views = paths.viewsOf.get(object) ?? [];
  if (field === null)
    return views.map((view) => ({ node: { place: 'store', object: view, field: null }, by: 'records' }));
  const view = views.find((name) => field.startsWith(`${name}.`));
  if (view === undefined) return [records];
  return [records, { node: { place: 'store', object: view, field: field.slice(view.length + 1) }, by: 'values' }];
}

function fieldsRead(
  observed: readonly string[] | undefined,
  source: string,
  known: readonly MonitorNode[],
): MonitorInput[] {
  const fields =
    observed ??
    known.flatMap(({ place, object, field }) =>
      place === 'source' && object === source && field !== null ? [field] : [],
    );
  return fields.map((field) => ({ node: { place: 'source', object: source, field }, by: 'values' }));
}
