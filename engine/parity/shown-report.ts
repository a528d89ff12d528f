import { sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import type { AuditOutcome, AuditResult } from './audit-types.ts';
import type { Explained, ExplainedFeature, ExplainedRecord, Explanation } from './explanation.ts';

/**
 * An explanation as it is shown: what it tells of sensitive fields is hashed; itself where the source has none.
 *
 * @example
 * shownExplanation(await explainFeatures(options));
 */
export function shownExplanation({ replayedBy, ...explanation }: Explained): Explanation {
  const sensitive = sensitiveParts(replayedBy);
  if (!sensitive.any) return explanation;
  const withId = <Of extends Pick<ExplainedRecord, 'eventId'>>(record: Of): Of => ({
    ...record,
    eventId: shownIf(sensitive.eventId, record.eventId),
  });
  const feature = (one: ExplainedFeature): ExplainedFeature => {
    const isSensitive = sensitive.feature(one.name);
    const record = (of: ExplainedRecord): ExplainedRecord => ({
      ...withId(of),
      value: shownIf(isSensitive, of.value),
      ...(of.order === undefined ? {} : { order: shownIf(isSensitive, of.order) }),
    });
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
    entity: shownKey(entity, (name) => sensitive.key(name)),
    lag: { ...lag, appliedLater: { ...lag.appliedLater, records: lag.appliedLater.records.map(withId) } },
    features: explanation.features.map(feature),
  };
}

/**
 * The same of an audit's outcome, as it goes to Temporal and to people; the catalog has it in the clear. What is sensitive to any code it was
 * replayed by is hashed.
 */
export function shownAudit({ replayedBy, ...result }: AuditOutcome): AuditResult {
  const sensitive = replayedBy.map(sensitiveParts).filter(({ any }) => any);
  if (sensitive.length === 0) return result;
  return {
    ...result,
    differences: result.differences.map((difference) => ({
      ...difference,
      entity: shownKey(difference.entity, (name) => sensitive.some((parts) => parts.key(name))),
      cells: difference.cells.map(({ feature, expected, received }) => {
        const isSensitive = sensitive.some((parts) => parts.feature(feature));
        return { feature, expected: shownIf(isSensitive, expected), received: shownIf(isSensitive, received) };
      }),
    })),
  };
}

function shownKey(entity: Explanation['entity'], isSensitive: (name: string) => boolean): Explanation['entity'] {
  return Object.fromEntries(Object.entries(entity).map(([name, value]) => [name, shownIf(isSensitive(name), value)]));
}
