import type { FieldPlan } from '../contract/field-plan.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureErrors } from '../values/feature-errors.ts';
import type { ResultType } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import type { ReadToLog } from './read-encoder.ts';

/** What of a service decides what is logged of its reads; a `CompiledService` has it. */
export interface LoggedService {
  readonly name: string;
  readonly blocks: readonly {
    readonly name: string;
    readonly view: { readonly name: string; readonly layout: Pick<ViewLayout, 'keys'> };
    /** Per join key of the view: the name it goes by. */
    readonly columns: readonly string[];
  }[];
  readonly request?: readonly Pick<FieldPlan, 'spec'>[] | undefined;
  readonly derived?: readonly { readonly name: string; readonly type: ResultType }[] | undefined;
  /** Stands for what is derived; undefined: not known. */
  readonly derivedTag?: string | undefined;
  /** Share of entities whose reads are logged, as the definition says. */
  readonly servingLog?: number | undefined;
}

/** A service made ready for the log. */
export interface ServiceToLog {
  readonly name: string;
  readonly sample: number | undefined;
  /** Per block: the role it is, or null. */
  readonly roles: readonly (string | null)[];
  /** What it has of its own; null where it asks for nothing and derives nothing. */
  readonly own: OwnToLog | null;
}

/** A service's own record: what was asked, and what was derived. */
export interface OwnToLog {
  readonly tag: string;
  /** The columns that all its views are read by. */
  readonly keys: ViewLayout['keys'];
  /** Per column, a block and a join key of it that goes by it. */
  readonly places: readonly (readonly [block: number, key: number])[];
  /** What it derives, as features are. */
  readonly features: readonly FeatureLayout[];
  /** What it asks for, ascending by name. */
  readonly request: readonly { readonly name: string; readonly type: ScalarType }[];
  /** The types of both by name, as JSON: whoever reads the record needs no definition. */
  readonly types: string;
}

/** What was read of a service at once: an entity of each of its blocks, in its order. */
export interface ServiceRead {
  readonly reads: readonly ReadToLog[];
  /** Join key values of each, in layout order. */
  readonly keys: readonly (readonly ScalarValue[])[];
  /** What the caller gave, by field. */
  readonly request: Readonly<Record<string, unknown>>;
  /** As the engine carries it, in the order of the service; null where it derives nothing. */
  readonly derived: { readonly values: readonly ScalarValue[]; readonly errors: FeatureErrors | null } | null;
  readonly atUs: number;
}

/**
 * Makes a service ready for the log: once, and not per read.
 *
 * @example
 * log.offerService(requestId, serviceToLog(service), [{ reads, keys, request, derived, atUs }]);
 */
export function serviceToLog(service: LoggedService): ServiceToLog {
  const { name, blocks, servingLog: sample } = service;
  return {
    name,
    sample,
    roles: blocks.map((block) => (block.name === block.view.name ? null : block.name)),
    own: ownToLog(service),
  };
}

/** What a service's own records are of; null where it has none. */
export function ownToLog({ blocks, request = [], derived = [], derivedTag = '' }: LoggedService): OwnToLog | null {
  if (request.length === 0 && derived.length === 0) return null;
  const keys: { name: string; type: ScalarType }[] = [];
  const places: [number, number][] = [];
  for (const [block, { view, columns }] of blocks.entries()) {
    for (const [key, column] of columns.entries()) {
      if (keys.some(({ name }) => name === column)) continue;
      keys.push({ name: column, type: view.layout.keys[key]!.type });
      places.push([block, key]);
    }
  }
  const fields = request
    .map(({ spec: { name, type } }) => ({ name, type: type as ScalarType }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    tag: derivedTag,
    keys,
    places,
    features: derived.map(derivedLayout),
    request: fields,
    types: JSON.stringify({ request: typesOf(fields), derived: typesOf(derived) }),
  };
}

/** What a service derives, as features of a view are laid out. */
export function derivedLayout({ name, type }: { readonly name: string; readonly type: ResultType }): FeatureLayout {
  return { name, aggregate: 'derived', slot: -1, windowUs: null, hopUs: null, result: type, nullable: true };
}

function typesOf(named: readonly { readonly name: string; readonly type: ResultType }[]): Record<string, string> {
  return Object.fromEntries(named.map(({ name, type }) => [name, nameOfType(type)]));
}
