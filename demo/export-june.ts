import { setTimeout as delay } from 'node:timers/promises';
import type { DevSession } from '../cli/dev-session.ts';
import { progressOf } from '../cli/follow-lifecycle.ts';
import { runningActivities } from '../cli/lifecycle-client.ts';
import { count, type Output } from '../cli/output.ts';
import { withTemporal } from '../cli/with-temporal.ts';
import type { ExportInput, ExportSummary } from '../workflows/export-training-set/contract.ts';

const EVERY_MS = 500;

/** Exports the training set by its workflow, with progress. */
export async function exportJune(session: DevSession, input: ExportInput, output: Output): Promise<ExportSummary> {
  return await withTemporal(session.temporal, session.installation, async (client) => {
    const startedMs = performance.now();
    const handle = await client.workflow.start('exportTrainingSet', {
      workflowId: session.installation.exportId(input.service, 'demo'),
      taskQueue: session.taskQueue,
      args: [input],
    });
    for (;;) {
      const description = await handle.describe();
      if (description.status.name !== 'RUNNING') break;
      output.progress(['exporting the training set', ...runningActivities(description).map(progressOf)].join(' · '));
      await delay(EVERY_MS);
    }
    const summary = (await handle.result()) as ExportSummary;
    output.note(
      `training set: ${count(summary.rows)} rows in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
    );
    return summary;
  });
}
