import { type FileReading, readPolicy } from './chances-file.ts';
import type { CollectedDecisions } from './collect-decisions.ts';
import type { Asked } from './evaluate-sides.ts';
import { isSameModel, modelText } from './evaluation-ask.ts';
import { modelNeverDecided, noMatureLabels } from './evaluation-faults.ts';
import type { OffPolicyReport } from './evaluation-report.ts';
import type { HeldDecision } from './held-decision.ts';
import { offPolicyReport } from './off-policy-report.ts';

/**
 * What the candidate that is asked about would have brought: where the version against acted, or, none being named, any other version of the model. Its chances
 * are those of a file, or of what it decided in shadow there. Null: none is asked about.
 */
export async function evaluateCandidate(
  { offPolicy, model, against, asOf }: Asked,
  { held, deciders, shadows, counts }: CollectedDecisions,
  wanted: ReadonlySet<string>,
  reading: FileReading,
): Promise<OffPolicyReport | null> {
  if (offPolicy === undefined) return null;
  const { candidate, policy, costs } = offPolicy;
  const isOwn = ({ by }: HeldDecision): boolean => candidate !== undefined && isSameModel(by, candidate);
  const isLogged = (decision: HeldDecision): boolean =>
    against === undefined ? decision.by.model === model.model && !isOwn(decision) : isSameModel(decision.by, against);
  const acted = held.filter(({ isActed }) => isActed);
  const both = { logged: acted.filter(isLogged), own: acted.filter(isOwn), costs };
  if (policy !== undefined) {
    const chances = await readPolicy(policy, wanted, reading);
    const chancesOf = ({ id }: HeldDecision) => chances.get(id) ?? null;
    return offPolicyReport({ ...both, candidate: policy, chancesOf, takenAtItsWord: 0 });
  }
  const name = candidate === undefined ? 'the candidate' : modelText(candidate);
  const inShadow = held.filter((decision) => !decision.isActed && isOwn(decision));
  if (inShadow.length === 0)
    throw shadows.has(name) ? noMatureLabels(name, asOf, counts) : modelNeverDecided(`in shadow ${name}`, deciders);
  const byRequest = new Map(inShadow.map((shadow) => [shadow.request, shadow]));
  return offPolicyReport({
    ...both,
    candidate: name,
    chancesOf({ id }) {
      const shadow = byRequest.get(id);
      // What was drawn by chances that are not told stands for them: on average it is right.
      return shadow === undefined ? null : (shadow.chances ?? new Map([[shadow.action, 1]]));
    },
    takenAtItsWord: inShadow.filter(({ chances }) => chances === null).length,
  });
}
