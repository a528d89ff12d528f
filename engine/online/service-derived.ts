import { type DefinitionFault, faultReporter, invalidDefinitions } from '../define/definition-fault.ts';
import type { FeatureService } from '../define/feature-service.ts';
import { requestReader } from '../define/request-fields.ts';
import { servicePartsOf, viewOf } from '../define/service-parts.ts';
import { keyColumns } from '../define/view-role.ts';
import type { RequestValues } from '../derived/derive-service.ts';
import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import { type OpenedValue, openedValue } from '../values/composite-text.ts';
import type { FeatureErrors } from '../values/feature-errors.ts';
import { type ServiceToLog, serviceToLog } from '../served/service-to-log.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { createDeriveReads } from './derive-reads.ts';
import { knownDefinition } from './known-definition.ts';
import type { ViewRead } from './view-read.ts';

/** Values that a service derived. */
export interface DerivedValues {
  readonly values: Readonly<Record<string, OpenedValue>>;
  readonly errors: FeatureErrors | null;
  /** As the engine carries them, in the order of the service. */
  readonly carried: readonly ScalarValue[];
}

/** What a service asks of its callers, and what it derives. */
export interface ServiceDerived {
  /** Throws MillraceError `invalid-request`. */
  readonly request: (given: unknown) => RequestValues;
  /** Null where it derives nothing. @param reads of its blocks, in its order */
  readonly derive:
    | ((
        reads: readonly ViewRead[],
        request: RequestValues,
        atUs: number,
        onFailed: ((failure: DerivedFailure) => void) | undefined,
      ) => DerivedValues)
    | null;
  readonly toLog: ServiceToLog;
}

const known = new WeakMap<FeatureService, ServiceDerived>();

/** The request and the derived features of a service by its definition, worked out once. Throws MillraceError `invalid-definitions`. */
export function serviceDerived(service: FeatureService): ServiceDerived {
  const found = known.get(service);
  if (found !== undefined) return found;
  const faults: DefinitionFault[] = [];
  const report = faultReporter(faults, 'feature service', service.name);
  const { request, derived } = servicePartsOf(service, (view) => knownDefinition(view).layout.keys, report);
  if (faults.length > 0) throw invalidDefinitions(faults);
  const blocks = service.views.map((member) => {
    const { layout } = knownDefinition(viewOf(member));
    const columns = keyColumns(layout.keys, member.kind === 'view-role' ? member.columns : {});
    return { name: member.name, view: { name: layout.view, layout }, columns };
  });
  const made: ServiceDerived = {
    request: requestReader(service.name, request, 'typescript'),
    derive: derived.length === 0 ? null : deriveOf(service, derived),
    toLog: serviceToLog({
      name: service.name,
      blocks,
      request,
      derived,
      servingLog: service.options.servingLog,
    }),
  };
  known.set(service, made);
  return made;
}

function deriveOf(service: FeatureService, given: readonly DerivedPlan[]): NonNullable<ServiceDerived['derive']> {
  const isSensitive = service.views.some((member) => (viewOf(member).source.options.sensitive ?? []).length > 0);
  const plans = isSensitive ? given.map((plan) => ({ ...plan, hushed: true as const })) : given;
  const blocks = service.views.map((member) => {
    const { view, features } = knownDefinition(viewOf(member)).layout;
    return { name: member.name, view, features };
  });
  const derive = createDeriveReads(service.name, blocks, plans);
  const opens = given.map(({ name, type }) => [name, openedValue(type)] as const);
  return (reads, request, atUs, onFailed) => {
    const { values, errors } = derive(reads, request, atUs, onFailed);
    const opened = Object.fromEntries(opens.map(([name, open], index) => [name, open(values[index]!)]));
    return { values: opened, errors, carried: values };
  };
}
