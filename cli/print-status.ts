import type { LifecycleStatus } from '../workflows/feature-lifecycle/contract.ts';
import { count, isoMicros, type Output } from './output.ts';
import { sideVersionLines } from './side-versions-text.ts';

/** Where a lifecycle has come to, in a line (or as JSON). */
export function printStatus(output: Output, status: LifecycleStatus): void {
  if (output.isJson) return output.json(status);
  const parts = [`${status.view}: ${status.phase}`];
  if (status.version !== null) parts.push(`version ${status.version}`);
  if (status.rows !== null) parts.push(`built from ${count(status.rows)} rows: ${count(status.entities)} entities`);
  if (status.lag !== null) parts.push(`${count(status.lag)} behind`);
  if (status.watermarkUs !== null) parts.push(`watermark ${isoMicros(status.watermarkUs)}`);
  output.line(parts.join(' · '));
  const { proof } = status;
  if (proof !== null && proof.verdict !== 'unproven')
    output.line(
      `proof of the promotion: ${count(proof.cellsCompared)} cells compared with a backfill, ${count(proof.cellsDiffering)} differ`,
    );
  const { upgrade } = status;
  if (upgrade !== null)
    output.line(
      `built by ${upgrade.from === null ? 'earlier semantics' : `semantics ${upgrade.from}`} of the engine; a version by semantics ${upgrade.to} takes over once it is built`,
    );
  for (const line of sideVersionLines(status)) output.line(line);
  if (status.notice !== null) output.line(status.notice);
  if (status.waitingFor != null)
    output.line(`waits since ${isoMicros(status.waitingFor.sinceMs * 1000)}: ${status.waitingFor.message}`);
  if (status.error !== null)
    output.line(`error ${status.error.code}: ${status.error.message}\n  ${status.error.remedy}`);
  if (status.accepts.length > 0) output.line(`next: ${status.accepts.join(', ')}`);
}
