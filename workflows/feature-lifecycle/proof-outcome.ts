import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import type { ParityReport } from '../audit-parity/contract.ts';
import type { PromotionProof } from './contract.ts';
import type { Failure } from '../failure.ts';

/**
 * What makes a proof impossible for good: the log that the version was built from is not there any more, by retention or because its
 * history files were changed. That is no difference, and a view must not be kept from its stream for it.
 */
const UNPROVABLE: ReadonlySet<string> = new Set<MillraceErrorCode>([
  'log-hole',
  'offset-out-of-range',
  'offsets-gone',
  'history-changed',
  'history-not-found',
  'commits-missing',
]);

export function isUnprovable(code: string): boolean {
  return UNPROVABLE.has(code);
}

/** The proof that a comparison is. */
export function proofOf(report: ParityReport): PromotionProof {
  const { version, verdict, auditId, seq, entities, cellsCompared, cellsDiffering, atMs } = report;
  return { version, verdict, auditId, seq, entities, cellsCompared, cellsDiffering, reason: null, atMs };
}

/** What stands in the place of a proof that cannot be made. */
export function unproven(version: number, { code, message, atMs }: Failure): PromotionProof {
  return {
    version,
    verdict: 'unproven',
    auditId: null,
    seq: null,
    entities: 0,
    cellsCompared: 0,
    cellsDiffering: 0,
    reason: `${code}: ${message}`,
    atMs,
  };
}
