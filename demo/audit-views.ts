import type { DevSession } from '../cli/dev-session.ts';
import { followWorkflow } from '../cli/follow-workflow.ts';
import { count, type Output } from '../cli/output.ts';
import { withTemporal } from '../cli/with-temporal.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { AuditResultSummary } from '../workflows/audit-parity/contract.ts';

export interface AuditFigures {
  /** Logged reads and stored states that were compared with a replay of the log. */
  readonly readsAudited: number;
  readonly cellsAudited: number;
  readonly cellsAuditedDiffering: number;
}

/** Audits every view by its workflow: all that was read of it, and all that is stored, against a replay of its log. */
export async function auditViews(session: DevSession, output: Output): Promise<AuditFigures> {
  return await withTemporal(session.temporal, session.installation, async (client) => {
    const sum = { readsAudited: 0, cellsAudited: 0, cellsAuditedDiffering: 0 };
    for (const view of session.views) {
      const handle = await client.workflow.start('auditParity', {
        workflowId: session.installation.auditId(view, 'demo'),
        taskQueue: session.taskQueue,
        args: [{ view }],
      });
      const result = await followWorkflow<AuditResultSummary>(client, handle, output, `auditing ${view}`);
      if (result.verdict === 'not-served') {
        throw new MillraceError('view-not-published', result.reason, {
          remedy: 'See its workflow in the Temporal UI.',
        });
      }
      sum.readsAudited += result.reads;
      sum.cellsAudited += result.cellsCompared;
      sum.cellsAuditedDiffering += result.cellsDiffering;
      output.note(
        `${view}: ${result.verdict} · ${count(result.cellsCompared)} cells of ${count(result.reads)} logged reads and ${count(result.entities)} stored entities against a replay of the log, ${result.seconds.toFixed(1)} s`,
      );
      for (const { entity, cause, detail } of result.differences)
        output.note(`DIFFERS  ${JSON.stringify(entity)}: ${cause}, ${detail}`);
    }
    return sum;
  });
}
