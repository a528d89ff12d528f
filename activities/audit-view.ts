import { isRetired } from '../engine/define/semantics.ts';
import { auditParity } from '../engine/parity/audit-parity.ts';
import type { AuditLimits, AuditResult } from '../engine/parity/audit-types.ts';
import { shownAudit } from '../engine/parity/shown-report.ts';
import type { ParityCell, ParityKind } from '../engine/postgres/parity-audits.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import { type CellJson, treeOfCell } from '../engine/values/cell-json.ts';
import { shownDifference } from '../engine/values/shown-tree.ts';
import { bounded } from '../workflows/bounded.ts';
import type {
  AuditBounds,
  AuditDifference,
  AuditResultSummary,
  AuditSummary,
} from '../workflows/audit-parity/contract.ts';
import { type ActivityDeps, semanticsOf, viewWithFingerprint } from './activity-deps.ts';
import { memoryWait, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** What a workflow's history has room for: the whole stands in Postgres. */
const DIFFERENCES_KEPT = 50;
const RECORDS_KEPT = 20;
const CELLS_KEPT = 20;
/** A text among values, in characters; an explanation may have five times as many. */
const TEXT_KEPT = 200;

/** Replays a view's log and compares it with what was served and what is stored. */
export async function auditView(
  deps: ActivityDeps,
  input: AuditBounds & { readonly view: string },
): Promise<AuditResultSummary> {
  // An audit on a schedule outlives its view: that is no failure.
  if ((await liveVersion(deps.pool, input.view)) === null) return notServed(input.view, 'it is served to nobody');
  return auditSummary(await audit(deps, input.view, 'audit', { reads: input.reads, entities: input.entities }));
}

/** Compares what a caught-up stream holds with a backfill over the very same log. */
export async function provePromotion(
  deps: ActivityDeps,
  input: { readonly view: string; readonly version: number; readonly fingerprint: string; readonly entities: number },
): Promise<AuditSummary> {
  const semantics = await semanticsOf(deps, input.view, input.fingerprint);
  // Of a version of earlier semantics nothing can be proven, and nothing is wrong: the audit counts it.
  if (semantics === null || !isRetired(semantics)) await viewWithFingerprint(deps, input);
  return auditSummary(await audit(deps, input.view, 'promotion', { reads: 0, entities: input.entities }));
}

async function audit(deps: ActivityDeps, view: string, kind: ParityKind, limits: AuditLimits): Promise<AuditResult> {
  const outcome = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) => {
    const { onWait, report } = memoryWait(pulse);
    return auditParity({
      view,
      code: deps.code,
      serviceCode: deps.serviceCode,
      pool: deps.pool,
      reader: deps.reader,
      archiveDir: deps.archiveDir,
      servedTopic: deps.reader === null || kind === 'promotion' ? null : deps.servedTopic,
      kind,
      limits,
      spillDir: deps.spillDir,
      memory: deps.memory,
      clock: deps.clock,
      signal: pulse.signal,
      onWait,
      onProgress: ({ phase, done, total, cellsCompared, cellsDiffering }) =>
        report({
          phase,
          records: done,
          percent: total === null || total === 0 ? null : Math.min(100, (done / total) * 100),
          cellsCompared,
          cellsDiffering,
        }),
    });
  });
  return shownAudit(outcome);
}

/** What Temporal has room for of an audit: the whole stands in Postgres. */
export function auditSummary(result: AuditResult): AuditSummary {
  return {
    auditId: result.auditId,
    view: result.view,
    version: result.version,
    fingerprint: result.fingerprint,
    verdict: result.verdict,
    seq: result.seq,
    entities: result.entities,
    reads: result.reads,
    cellsCompared: result.cellsCompared,
    cellsDiffering: result.cellsDiffering,
    skipped: result.skipped,
    causes: result.causes,
    differences: result.differences.slice(0, DIFFERENCES_KEPT).map((difference) => ({
      ...difference,
      detail: bounded(difference.detail, 5 * TEXT_KEPT),
      cells: difference.cells.slice(0, CELLS_KEPT).map(keptCells),
      records: difference.records.slice(0, RECORDS_KEPT),
    })),
    ...(result.lastProof === undefined ? {} : { lastProof: result.lastProof }),
    seconds: result.seconds,
  };
}

function keptCells({ feature, expected, received }: ParityCell): AuditDifference['cells'][number] {
  return { feature, expected: kept(expected, received, 0), received: kept(expected, received, 1) };
}

/** Of a list or a map that is too long, what differs. */
function kept(expected: CellJson, received: CellJson, side: 0 | 1): unknown {
  const cell = [expected, received][side]!;
  if (typeof cell === 'string') return bounded(cell, TEXT_KEPT);
  if (typeof cell !== 'object' || cell === null || JSON.stringify(cell).length <= TEXT_KEPT) return cell;
  const shown = shownDifference(treeOfCell(expected), treeOfCell(received), TEXT_KEPT / 2)[side];
  return { shortened: bounded(shown, TEXT_KEPT) };
}

function notServed(view: string, reason: string): AuditResultSummary {
  return { view, verdict: 'not-served', reason: `view "${view}" cannot be audited: ${reason}` };
}
