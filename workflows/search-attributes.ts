import { defineSearchAttributeKey } from '@temporalio/common';
import type { ParityReport } from './audit-parity/contract.ts';

/** What workflows say of themselves where they are listed; `config/search-attributes.ts` registers the names. */
export const FEATURE_VIEW = defineSearchAttributeKey('FeatureView', 'KEYWORD');
export const FEATURE_PHASE = defineSearchAttributeKey('FeaturePhase', 'KEYWORD');
export const FEATURE_VERSION = defineSearchAttributeKey('FeatureVersion', 'INT');
export const FEATURE_PARITY = defineSearchAttributeKey('FeatureParity', 'KEYWORD');
export const ARCHIVE_SOURCE = defineSearchAttributeKey('ArchiveSource', 'KEYWORD');
export const ARCHIVE_PHASE = defineSearchAttributeKey('ArchivePhase', 'KEYWORD');
/** Of a joiner, its label set and its phase: `Pairs = 'failed'`. One list, as Temporal has room for ten keywords and nine are taken. */
export const PAIRS = defineSearchAttributeKey('Pairs', 'KEYWORD_LIST');
export const ROLLOUT_MODEL = defineSearchAttributeKey('RolloutModel', 'KEYWORD');
export const ROLLOUT_PHASE = defineSearchAttributeKey('RolloutPhase', 'KEYWORD');
export const TRAINING_MODEL = defineSearchAttributeKey('TrainingModel', 'KEYWORD');
export const TRAINING_PHASE = defineSearchAttributeKey('TrainingPhase', 'KEYWORD');

/** The value of `FeatureParity`; null where nothing was compared yet. */
export function parityAttribute(parity: Pick<ParityReport, 'verdict'> | null): 'PARITY_OK' | 'PARITY_BROKEN' | null {
  if (parity === null || parity.verdict === 'nothing-compared') return null;
  return parity.verdict === 'equal' ? 'PARITY_OK' : 'PARITY_BROKEN';
}
