/** What an application that reads features loads, and no more: `import { createClient } from 'millrace/client'`. */
export type { ErrorCode } from './engine/values/cell.ts';
export type { FeatureErrors } from './engine/values/feature-errors.ts';
export type { Micros } from './engine/values/field-type.ts';
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
