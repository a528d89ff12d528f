import type { CompiledView } from '../define/compiled-view.ts';
import { type SensitiveParts, sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import type { AuditResult } from './audit-types.ts';
import type { ExplainedFeature, ExplainedRecord, Explanation } from './explanation.ts';

/**
 * An explanation as it is shown: what it tells of sensitive fields is hashed; itself where the source has none.
 *
 * @example
 * shownExplanation(await explainFeatures(options), view);
 */
export function shownExplanation(explanation: Explanation, view: CompiledView): Explanation {
  const sensitive = sensitiveParts(view);
  if (!sensitive.any) return explanation;
  const withId = <Of extends Pick<ExplainedRecord, 'eventId'>>(record: Of): Of => ({
    ...record,
    eventId: shownIf(sensitive.eventId, record.eventId),
  });
  const feature = (one: ExplainedFeature): ExplainedFeature => {
    const isSensitive = sensitive.feature(one.name);
    const record = (of: ExplainedRecord): ExplainedRecord => ({ ...withId(of), value: shownIf(isSensitive, of.value) });
    return {
      ...one,
      value: shownIf(isSensitive, one.value),
      replayed: shownIf(isSensitive, one.replayed),
      tiles: one.tiles.map((tile) => ({ ...tile, value: shownIf(isSensitive, tile.value) })),
      records: one.records.map(record),
      deciding: one.deciding === null ? null : record(one.deciding),
    };
  };
  const { entity, lag } = explanation;
  return {
    ...explanation,
    entity: shownKey(entity, sensitive),
    lag: { ...lag, appliedLater: { ...lag.appliedLater, records: lag.appliedLater.records.map(withId) } },
    features: explanation.features.map(feature),
  };
}

/** The same of an audit's outcome, as it goes to Temporal and to people; the catalog has it in the clear. */
export function shownAudit(result: AuditResult, view: CompiledView): AuditResult {
  const sensitive = sensitiveParts(view);
  if (!sensitive.any) return result;
  return {
    ...result,
    differences: result.differences.map((difference) => ({
      ...difference,
      entity: shownKey(difference.entity, sensitive),
      cells: difference.cells.map(({ feature, expected, received }) => {
        const isSensitive = sensitive.feature(feature);
        return { feature, expected: shownIf(isSensitive, expected), received: shownIf(isSensitive, received) };
      }),
    })),
  };
}

function shownKey(entity: Explanation['entity'], sensitive: SensitiveParts): Explanation['entity'] {
  return Object.fromEntries(Object.entries(entity).map(([name, value]) => [name, shownIf(sensitive.key(name), value)]));
}
