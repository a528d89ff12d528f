import type { ParityReport } from '../audit-parity/contract.ts';
import type { PromotionProof } from './contract.ts';
import type { Failure } from '../failure.ts';
import type { LifecycleState } from './state.ts';

export const PARITY_BROKEN = 'parity-broken';

/** What an ended comparison means for the promotion. */
export interface ProofEnded {
  readonly version: number;
  readonly proof: PromotionProof | null;
  /** The comparison as every audit reports it; null where none was made. */
  readonly report: ParityReport | null;
  /** Why no comparison came about, though one is possible. */
  readonly failure: Failure | null;
}

/** True while the served version still owes the proof of its promotion. */
export function owesProof({ proofEntities, proof, live }: LifecycleState): boolean {
  if (proofEntities === 0 || live === null) return false;
  return proof === null || proof.version !== live.version || proof.verdict === 'broken';
}

/** The version whose promotion is to be proven now, or null. One that is being proven is proven to the end, whatever the lag. */
export function toProve(state: LifecycleState): number | null {
  const { live, stream, caughtUp, shards, failures, proving } = state;
  if (live === null || failures.proof !== null || !owesProof(state)) return null;
  if (proving === live.version) return live.version;
  return stream?.kind === 'stream' && stream.version === live.version && caughtUp.length >= shards
    ? live.version
    : null;
}

/** The state after a comparison. A difference fails the stream: it is fenced, and a person decides. */
export function proofEnded(state: LifecycleState, { version, proof, report, failure }: ProofEnded): LifecycleState {
  const ended = { ...state, proving: null };
  if (state.live?.version !== version) return ended;
  if (failure !== null) return { ...ended, failures: { ...state.failures, proof: failure } };
  if (proof === null) return ended;
  const told = report === null ? ended : parityReported(ended, report);
  if (proof.verdict === 'unproven') return { ...told, proof, notice: `Not proven: ${proof.reason}` };
  if (proof.verdict !== 'broken') return { ...told, proof };
  return { ...told, proof, caughtUp: [], failures: { ...state.failures, stream: brokenProof(proof, report) } };
}

/**
 * The state after a comparison was reported. One that compared nothing says nothing; one of another version says nothing of this one;
 * and a broken verdict is taken back only by an audit of at least the same bounds: a smaller one may not have looked at the place.
 */
export function parityReported(state: LifecycleState, report: ParityReport): LifecycleState {
  const { parity, live } = state;
  if (live?.version !== report.version || report.verdict === 'nothing-compared') return state;
  if (parity?.verdict === 'broken' && report.verdict === 'equal') {
    const { reads, entities } = parity.bounds;
    if (report.bounds.reads < reads || report.bounds.entities < entities) return state;
  }
  return { ...state, parity: report };
}

function brokenProof(proof: PromotionProof, report: ParityReport | null): Failure {
  const causes = Object.entries(report?.causes ?? {}).map(([cause, count]) => `${count} ${cause}`);
  return {
    code: PARITY_BROKEN,
    message: `what the stream holds is not what the log says: ${proof.cellsDiffering} of ${proof.cellsCompared} cells differ (${causes.join(', ')}); audit ${proof.auditId}`,
    remedy:
      'See "millrace audit" for the entities and records. Send "rebackfill" to build the view anew from its log, or "retry" to compare once more.',
    during: 'proof',
    atMs: proof.atMs,
  };
}
