import { nameOfType } from '../values/type-name.ts';
import type { CompiledService, CompiledView, Definitions, Row } from './compiled-view.ts';
import { formatDuration, windowText } from './duration.ts';
import type { HistorySample } from './history-sample.ts';
import { keptExpired } from './kept-expired.ts';
import { columnsByKey, roleOf, viewsOf } from './service-blocks.ts';
import { type ObservedFields, observedFields } from './observed-fields.ts';
import { shownInputs } from './shown-inputs.ts';
import { type FeatureKind, isDerived } from './view-layout.ts';

/** A feature as `plan` prints it. */
export interface PlanFeature {
  readonly name: string;
  /** `derived`: made of other features when they are read. */
  readonly aggregate: FeatureKind;
  /** A field's name or a row function's text, two of `minBy` and `maxBy`, or `*` for `count()`. */
  readonly input: string;
  /** `7d`, or `lifetime`; empty of a derived one. */
  readonly window: string;
  /** `1h`; empty for lifetime. */
  readonly hop: string;
  /** `double`, with `?` where it may be null. */
  readonly type: string;
  /** What it means: the same for as long as that stays the same. */
  readonly tag: string | null;
  /** Fields of its source that it was observed to read of sampled rows, beside those of the view's `where` and keys; of a derived one those of what it reads. */
  readonly observedFields: readonly string[];
  /** Of a derived one the features that it was observed to read. */
  readonly observedFeatures?: readonly string[];
}

/** A view in a role of a service. */
export interface PlanRole {
  readonly service: string;
  readonly role: string;
  /** Join key to the column it goes by. */
  readonly columns: Readonly<Record<string, string>>;
}

/** A view as `plan` prints it. */
export interface PlanRow {
  readonly view: string;
  readonly entity: string;
  readonly keys: readonly { readonly name: string; readonly type: string }[];
  readonly source: string;
  readonly topic: string | null;
  readonly history: string | null;
  /** What was sampled of the history; null where it was not looked at, or there is none. */
  readonly sample: HistorySample | null;
  readonly services: readonly string[];
  /** Where it stands in a role of a service. */
  readonly roles: readonly PlanRole[];
  readonly refresh: string | null;
  /** `180d`; null where entities do not expire. */
  readonly expire: string | null;
  /** Why rows of what has expired stay in the store; null where they go. */
  readonly keptExpired: string | null;
  readonly features: readonly PlanFeature[];
  /** Fields that the view's `where` and its join keys were observed to read: all its features depend on them. */
  readonly observedFields: Pick<ObservedFields, 'where' | 'key'>;
  /** The whole fingerprint, and its first 12 digits for a table. */
  readonly fingerprint: string;
  readonly shortFingerprint: string;
  /** What runs now, as the caller knows it; null where nothing does, or it was not asked. */
  readonly running: RunningView | null;
  /**
   * `new`: nothing runs; `unchanged`: the same fingerprint runs; `upgrading`: this definition runs by earlier semantics of the engine;
   * `changed`: another one does.
   */
  readonly change: 'new' | 'unchanged' | 'upgrading' | 'changed' | 'unknown';
}

/** What is known of a view that runs. */
export interface RunningView {
  readonly phase: string;
  readonly version: number;
  readonly fingerprint: string;
  /** True of what the definition at hand made by the semantics before. */
  readonly isBefore?: boolean | undefined;
  /** Files of the history that it was not built from; null where the history is not to be seen from here. */
  readonly filesNotInVersion?: number | null | undefined;
}

/**
 * What each view is, as plain data. `live` says what runs, by view name; without it nothing is said about that.
 *
 * @param rowsOf valid rows of a source, for its functions to be observed on beside those of the contract. Default: none
 * @example
 * describePlan(await loadDefinitions('features')).map((row) => row.view);
 */
export function describePlan(
  definitions: Definitions,
  live?: ReadonlyMap<string, RunningView>,
  rowsOf: (source: string) => readonly Row[] = () => [],
): PlanRow[] {
  return [...definitions.views.values()].map((view) => {
    const running = live?.get(view.name) ?? null;
    const services = [...definitions.services.values()].filter((service) => viewsOf(service).includes(view));
    const { source } = view;
    const observed = observedFields(view, rowsOf(source.name)) ?? NOTHING_OBSERVED;
    return {
      view: view.name,
      entity: view.layout.entity,
      keys: view.layout.keys.map(({ name, type }) => ({ name, type: nameOfType(type) })),
      source: source.name,
      topic: source.topic,
      history: source.history?.path ?? null,
      sample: definitions.samples?.find((sample) => sample.source === source.name) ?? null,
      services: services.map((service) => service.name),
      roles: services.flatMap((service) => rolesOf(service, view)),
      refresh: view.refreshMs === null ? null : formatDuration(view.refreshMs * 1000),
      expire: view.layout.expireUs === undefined ? null : formatDuration(view.layout.expireUs),
      keptExpired: keptExpired(view.layout, source),
      features: describeFeatures(view, observed),
      observedFields: { where: observed.where, key: observed.key },
      fingerprint: view.fingerprint,
      shortFingerprint: view.fingerprint.slice(0, 12),
      running,
      change:
        live === undefined
          ? 'unknown'
          : running === null
            ? 'new'
            : running.fingerprint === view.fingerprint
              ? 'unchanged'
              : running.isBefore === true
                ? 'upgrading'
                : 'changed',
    };
  });
}

function rolesOf({ name, blocks }: CompiledService, view: CompiledView): PlanRole[] {
  return blocks.flatMap((block) => {
    const role = block.view === view ? roleOf(block) : null;
    return role === null ? [] : [{ service: name, role, columns: columnsByKey(block) }];
  });
}

const NOTHING_OBSERVED: ObservedFields = { where: [], key: [], features: {}, derived: {} };

function describeFeatures(view: CompiledView, observed: ObservedFields): PlanFeature[] {
  return view.layout.features.map((feature, index) => ({
    name: feature.name,
    aggregate: feature.aggregate,
    input: shownInputs(view, index) ?? '*',
    window: isDerived(feature) ? '' : windowText(feature.windowUs, feature.agoUs),
    hop: feature.hopUs === null ? '' : formatDuration(feature.hopUs),
    type: `${nameOfType(feature.result)}${feature.nullable ? '?' : ''}${feature.default === undefined ? '' : ` = ${JSON.stringify(feature.default)}`}`,
    tag: view.tags?.features[feature.name] ?? null,
    observedFields: observed.features[feature.name] ?? [],
    ...(isDerived(feature) ? { observedFeatures: observed.derived[feature.name] ?? [] } : {}),
  }));
}
