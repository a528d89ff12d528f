import type { FieldPlan } from '../engine/contract/field-plan.ts';
import type { FeatureTags } from '../engine/define/feature-lock.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { requestReader } from '../engine/define/request-fields.ts';
import type { RequestValues } from '../engine/derived/derive-service.ts';
import type { DerivedFailure, DerivedPlan } from '../engine/derived/derive-step.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { createDeriveReads, refuseFlipped } from '../engine/online/derive-reads.ts';
import { UsedFeatures } from '../engine/online/used-features.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import { type ServiceToLog, serviceToLog } from '../engine/served/service-to-log.ts';
import type { FeatureErrors } from '../engine/values/feature-errors.ts';
import type { ScalarValue } from '../engine/values/field-type.ts';
import { jsonTree } from '../engine/values/composite-text.ts';
import type { FeaturesResponse } from './api-schemas.ts';

/** What the API knows of a feature service; a `CompiledService` has it. */
export interface ServedService {
  readonly blocks: readonly {
    /** The view's, or that of its role. */
    readonly name: string;
    readonly view: { readonly name: string; readonly layout: ViewLayout };
    /** Per join key of the view: the name it goes by. */
    readonly columns: readonly string[];
    /** What its features are told by in the version of the service that is served; undefined: this is of no version. */
    readonly tags?: FeatureTags | undefined;
  }[];
  /** What only the caller of a read knows. Default: nothing. */
  readonly request?: readonly FieldPlan[] | undefined;
  /** What is derived of the blocks and of the request. Default: nothing. */
  readonly derived?: readonly DerivedPlan[] | undefined;
  /** Stands for what is derived. */
  readonly derivedTag?: string | undefined;
  /** Share of entities whose reads are logged, as the definition says. */
  readonly servingLog?: number | undefined;
}

export type DerivedJson = NonNullable<FeaturesResponse['results'][number]['derived']>;

/** What a service derived: as it is answered, and as the engine carries it, in the order of the service. */
export interface DerivedAnswer {
  readonly json: DerivedJson;
  readonly values: readonly ScalarValue[];
  readonly errors: FeatureErrors | null;
}

/** What a service asks of who reads it over HTTP, and what it derives. */
export interface ServedDerived {
  /** @throws MillraceError `invalid-request`, whose message begins with `place` */
  readonly request: (given: unknown, place: string) => RequestValues;
  /**
   * Null where it derives nothing. Throws MillraceError `definition-changed` where a view serves features that its functions are not made for, `view-changing`
   * where it began to while it was read.
   *
   * @param reads of its blocks, in its order
   */
  readonly derive:
    | ((
        reads: readonly ViewRead[],
        request: RequestValues,
        atUs: number,
        onFailed?: (failure: DerivedFailure) => void,
      ) => DerivedAnswer)
    | null;
  readonly toLog: ServiceToLog;
}

const known = new WeakMap<ServedService, ServedDerived>();

/** The request and the derived features of a service, worked out once. */
export function servedDerived(name: string, service: ServedService): ServedDerived {
  const found = known.get(service);
  if (found !== undefined) return found;
  const { request = [], derived = [] } = service;
  const made: ServedDerived = {
    request: requestReader(name, request, 'json'),
    derive: derived.length === 0 ? null : deriveOf(name, service, derived),
    toLog: serviceToLog({ name, ...service }),
  };
  known.set(service, made);
  return made;
}

function deriveOf(
  name: string,
  { blocks }: ServedService,
  plans: readonly DerivedPlan[],
): NonNullable<ServedDerived['derive']> {
  const refusals = blocks.map((block) => refusalOf(name, block));
  const derive = createDeriveReads(
    name,
    blocks.map(({ name: block, view }) => ({ name: block, view: view.name, features: view.layout.features })),
    plans,
  );
  return (reads, request, atUs, onFailed) => {
    for (let at = 0; at < reads.length; at++) refusals[at]!(reads[at]!);
    const { values, errors } = derive(reads, request, atUs, onFailed);
    const shown = Object.fromEntries(plans.map((plan, index) => [plan.name, jsonTree(plan.type, values[index]!)]));
    return { json: { values: shown, errors }, values, errors };
  };
}

/** What refuses reads of features that a service's functions are not made for. */
function refusalOf(service: string, { view, tags }: ServedService['blocks'][number]): (read: ViewRead) => void {
  if (tags !== undefined) {
    // All reads of a version have the same object.
    let passed: ViewRead['tags'] | undefined;
    return (read) => {
      if (read.tags === passed) return;
      refuseFlipped(service, tags, read);
      passed = read.tags;
    };
  }
  const used = new UsedFeatures({ layout: view.layout }, null);
  return (read) => refuseOthers(service, used, read);
}

/** What is served in place of what a definition says is derived of, as it is answered; but not where it is gone, or of another type. */
function refuseOthers(service: string, used: UsedFeatures, read: ViewRead): void {
  const changed = used.changesIn(read).find(({ isReadable }) => !isReadable);
  if (changed === undefined) return;
  const { feature, expected, served } = changed;
  throw new MillraceError(
    'definition-changed',
    `service "${service}" derives of view "${read.view}", feature "${feature}": by the definitions of this API it is ${expected}, version ${read.version} serves ${served}`,
    {
      remedy:
        'Start the API with the definitions that are live, or make its own live; the views alone can be read meanwhile, as `features`.',
      httpStatus: 409,
      details: { service, view: read.view, version: read.version, feature },
    },
  );
}
