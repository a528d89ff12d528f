import { boundedPage } from '../bounded.ts';
import {
  ApplicationFailure,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { batch, batchOptions } from '../activity-profiles.ts';
import {
  AUDIT_ENTITIES,
  AUDIT_READS,
  type AuditBounds,
  type AuditInput,
  type AuditResultSummary,
  type ParityReport,
  reportOf,
} from './contract.ts';
import { paritySignal } from '../feature-lifecycle/contract.ts';
import { renderAudit } from './page.ts';
import { objectOf, optionalWholeOf, textOf } from '../json-input.ts';
import { byThisRelease } from '../other-release.ts';
import { ownInstallation } from '../own-installation.ts';
import { waitingText } from '../page-text.ts';
import { type Waiting, WaitLane } from '../waits.ts';
import { FEATURE_PARITY, FEATURE_VIEW, parityAttribute } from '../search-attributes.ts';

/**
 * Replays what a view's log says and compares it, to the bit, with what was served and what is stored. Started with
 * `{"view": "route_delays"}` on task queue `millrace`, by hand or by a Temporal Schedule. Tells the view's lifecycle, which shows
 * PARITY_BROKEN or PARITY_OK. A difference is a result, not a failure of the workflow; a view nobody is served is a result too.
 */
export async function auditParity(input: AuditInput): Promise<AuditResultSummary> {
  const { view, bounds } = checkInput(input);
  upsertSearchAttributes([{ key: FEATURE_VIEW, value: ownInstallation().searchValue(view) }]);
  const running = (waiting: Waiting | null): void =>
    setCurrentDetails(
      [
        `### Parity of ${view}\n\n- At most **${bounds.reads}** logged reads and **${bounds.entities}** entities`,
        '',
        ...(waiting === null ? ["Running: see the pending activity's heartbeat."] : waitingText(waiting)),
      ].join('\n'),
    );
  running(null);
  const result = await byThisRelease(
    () => batch.auditView.executeWithOptions(batchOptions(`audit ${view}`), [{ view, ...bounds }]),
    new WaitLane('audit', 'what-passes', (_, waiting) => running(waiting)),
  );
  setCurrentDetails(boundedPage(renderAudit(result)));
  if (result.verdict === 'not-served') return result;
  const report = reportOf(result, 'audit', bounds, Date.now());
  upsertSearchAttributes([{ key: FEATURE_PARITY, value: parityAttribute(report) }]);
  await tell(view, report);
  return result;
}

/** A view may be served without a lifecycle, whose workflow was terminated: then there is nobody to tell. */
async function tell(view: string, report: ParityReport): Promise<void> {
  try {
    await getExternalWorkflowHandle(ownInstallation().lifecycleId(view)).signal(paritySignal, report);
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
