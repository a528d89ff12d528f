import { defineSearchAttributeKey } from '@temporalio/common';
import {
  ApplicationFailure,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { batch, batchOptions } from './activity-profiles.ts';
import {
  AUDIT_ENTITIES,
  AUDIT_READS,
  type AuditBounds,
  type AuditInput,
  type AuditResultSummary,
  type ParityReport,
  paritySignal,
  reportOf,
} from './audit-contracts.ts';
import { renderAudit } from './audit-page.ts';
import { featureWorkflowId } from './contracts.ts';
import { objectOf, optionalWholeOf, textOf } from './json-input.ts';
import { parityAttribute } from './proof-outcome.ts';

const VIEW = defineSearchAttributeKey('FeatureView', 'KEYWORD');
const PARITY = defineSearchAttributeKey('FeatureParity', 'KEYWORD');

/**
 * Replays what a view's log says and compares it, to the bit, with what was served and what is stored. Started with
 * `{"view": "route_delays"}` on task queue `millrace`, by hand or by a Temporal Schedule. Tells the view's lifecycle, which shows
 * PARITY_BROKEN or PARITY_OK. A difference is a result, not a failure of the workflow; a view nobody is served is a result too.
 */
export async function auditParity(input: AuditInput): Promise<AuditResultSummary> {
  const { view, bounds } = checkInput(input);
  upsertSearchAttributes([{ key: VIEW, value: view }]);
  setCurrentDetails(
    `### Parity of ${view}\n\n- At most **${bounds.reads}** logged reads and **${bounds.entities}** entities\n\nRunning: see the pending activity's heartbeat.`,
  );
  const result = await batch.auditView.executeWithOptions(batchOptions(`audit ${view}`), [{ view, ...bounds }]);
  setCurrentDetails(renderAudit(result));
  if (result.verdict === 'not-served') return result;
  const report = reportOf(result, 'audit', bounds, Date.now());
  upsertSearchAttributes([{ key: PARITY, value: parityAttribute(report) }]);
  await tell(view, report);
  return result;
}

/** A view may be served without a lifecycle, whose workflow was terminated: then there is nobody to tell. */
async function tell(view: string, report: ParityReport): Promise<void> {
  try {
    await getExternalWorkflowHandle(featureWorkflowId(view)).signal(paritySignal, report);
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    log.warn('the lifecycle could not be told of the audit', { view, reason: error.message });
  }
}

function checkInput(input: unknown): { readonly view: string; readonly bounds: AuditBounds } {
  const given = objectOf(input, ['view', 'reads', 'entities'], '{"view":"route_delays"}');
  return {
    view: textOf(given, 'view'),
    bounds: {
      reads: optionalWholeOf(given, 'reads', 0) ?? AUDIT_READS,
      entities: optionalWholeOf(given, 'entities', 0) ?? AUDIT_ENTITIES,
    },
  };
}
