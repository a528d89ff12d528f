import { isRetired, semanticsRetired } from '../define/semantics.ts';
import { lastProof, proofText } from '../postgres/last-proof.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';

/** Throws `semantics-retired`, with its last proof, of a version that earlier semantics of the engine made. */
export async function refuseRetired(
  on: Queryable,
  { view, version, semantics }: Pick<ViewVersion, 'view' | 'version' | 'semantics'>,
): Promise<void> {
  if (!isRetired(semantics)) return;
  const proof = await lastProof(on, view, version);
  throw semanticsRetired(view, version, semantics, false, {
    text: proofText(proof),
    auditId: proof?.auditId ?? null,
    verdict: proof?.verdict ?? null,
  });
}
