/** The public surface of Millrace: what a file of definitions and an application that reads features import. */
export { decimal } from './engine/contract/decimal.ts';
export type { ErrorCode } from './engine/values/cell.ts';
export type { FeatureErrors } from './engine/values/feature-errors.ts';
export { epoch } from './engine/contract/epoch.ts';
export type { Micros } from './engine/values/field-type.ts';
export type { Duration } from './engine/define/duration.ts';
export { type Entity, entity } from './engine/define/entity.ts';
export type { Feature, OpenFeature, WindowOptions } from './engine/define/feature.ts';
export {
  type FeatureService,
  featureService,
  type DerivedValuesOf,
  type RequestOf,
  type ServiceKeyOf,
  type ServiceOptions,
  type ServiceValuesOf,
} from './engine/define/feature-service.ts';
export { type FeatureView, featureView, type KeyOf, type ValuesOf } from './engine/define/feature-view.ts';
export { type Source, source } from './engine/define/source.ts';
export { type Decisions, decisions, type DecisionsOptions } from './engine/define/decisions.ts';
export { type Outcomes, outcomes, type OutcomesOptions } from './engine/define/outcomes.ts';
export { type LabelSet, labelSet, type LabelSetOptions } from './engine/define/label-set.ts';
export { type Monitor, monitor, type MonitorMetric, type MonitorOptions } from './engine/define/monitor.ts';
export { type Pairs, type PairMembers, pairs } from './engine/define/pairs.ts';
export type { FeatureLock, FeatureTags } from './engine/define/feature-lock.ts';
export { MillraceError } from './engine/errors/millrace-error.ts';
export {
  type ClientOptions,
  createClient,
  type DerivedRead,
  type FeatureClient,
  type FeatureRead,
  type GetOptions,
  type ServiceRead,
  type ViewGetOptions,
} from './engine/online/client.ts';
export type { Assignment } from './engine/decisions/assignment-told.ts';
export { createDecisionLog, type DecisionLogSettings } from './engine/decisions/create-decision-log.ts';
export type {
  DecisionLog,
  DecisionLogFigures,
  SaidDrop,
  SaidDropReason,
  SaidFigures,
} from './engine/decisions/decision-log.ts';
export type { AlternativeSaid, DecisionSaid, OutcomeSaid } from './engine/decisions/decision-said.ts';
export type { VariantFigures } from './engine/decisions/variant-tallies.ts';
export type { ModelHandle } from './engine/models/client-models.ts';
export type {
  HeldVariant,
  RolloutHandle,
  RolloutModelOptions,
  UnitVariant,
} from './engine/rollouts/client-rollouts.ts';
export type { FallbackReason } from './engine/rollouts/choose-variant.ts';
export type { RolloutStatus } from './engine/rollouts/rollout-follower.ts';
export type { ModelsSettings } from './engine/models/model-settings.ts';
export type { LoadedModel, ModelAbout, RefusedModel } from './engine/models/loaded-model.ts';
export type { ModelOptions, ModelStatus } from './engine/models/model-follower.ts';
export type { CorruptRead, DerivedFailed, ServiceDerivedFailed } from './engine/online/view-read.ts';
export { createServingLog, type ServingLogSettings } from './engine/served/create-serving-log.ts';
export type { ServingLog, ServingLogFigures } from './engine/served/serving-log.ts';
export type { DropReason } from './engine/topic/buffered-log.ts';
