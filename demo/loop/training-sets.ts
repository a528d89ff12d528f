import type { DevSession } from '../../cli/dev-session.ts';
import { followWorkflow } from '../../cli/follow-workflow.ts';
import { count, type Output } from '../../cli/output.ts';
import { withTemporal } from '../../cli/with-temporal.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import type { ExportInput, ExportSummary } from '../../workflows/export-training-set/contract.ts';

/** The label set of the example. */
export const LABELS = 'late';

/** Exports the flights of a file with what was known at their time. */
export async function exportSpine(
  session: DevSession,
  { service, spine, out }: { readonly service: string; readonly spine: string; readonly out: string },
  output: Output,
): Promise<ExportSummary> {
  return await exported(session, { service, spine, out, timeZone: 'UTC' }, output);
}

/** Exports what was decided from `fromUs` up to `untilUs` (UTC epoch µs) and what came of it, with the features that were served. */
export async function exportDecided(
  session: DevSession,
  {
    service,
    fromUs,
    untilUs,
    out,
  }: { readonly service: string; readonly fromUs: number; readonly untilUs: number; readonly out: string },
  output: Output,
): Promise<ExportSummary> {
  const [from, to] = [formatDateTime(fromUs), formatDateTime(untilUs)];
  return await exported(session, { service, labels: LABELS, from, to, mode: 'decided', out }, output);
}

async function exported(session: DevSession, input: ExportInput, output: Output): Promise<ExportSummary> {
  const startedMs = performance.now();
  return await withTemporal(session.temporal, session.installation, async (client) => {
    const name = input.out?.replace(/^.*\/|\..*$/g, '') ?? '';
    const handle = await client.workflow.start('exportTrainingSet', {
      workflowId: session.installation.exportId(input.service, name),
      taskQueue: session.taskQueue,
      args: [input],
    });
    const summary = await followWorkflow<ExportSummary>(client, handle, output, `training set ${name}`);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    output.note(`training set ${name}: ${count(summary.rows)} rows in ${seconds} s`);
    return summary;
  });
}
