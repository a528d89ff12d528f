import type { Row } from '../contract/compiled-contract.ts';
import type { RowCheck } from '../contract/row-check.ts';
import { describeReceived } from '../values/describe-received.ts';
import { MOST_ALTERNATIVES } from './decisions.ts';

/** How far chances that are one together may be off one. */
const SUM_TOLERANCE = 1e-9;

interface DecisionFields {
  readonly acted: boolean;
  readonly shadow_of: string | null;
  readonly action: string;
  readonly propensity: number | null;
  readonly assignment_propensity: number | null;
  readonly alternatives: readonly { readonly action: string; readonly propensity: number | null }[];
  readonly more_alternatives: number;
}

/** What a decision says beyond its fields: its propensities are chances over the actions, and a shadow names what was done instead. */
export const decisionCheck: RowCheck = (row, reasons) => {
  const decision = row as unknown as DecisionFields;
  const { acted, shadow_of: shadowOf, propensity, assignment_propensity: assignment } = decision;
  if (propensity !== null && !isChance(propensity)) reasons.push(chanceReason('propensity', propensity));
  if (assignment !== null && !isChance(assignment)) reasons.push(chanceReason('assignment_propensity', assignment));
  if (acted && shadowOf !== null)
    reasons.push(`shadow_of: expected null, as it was acted on, received ${describeReceived(shadowOf)}`);
  if (!acted && shadowOf === null)
    reasons.push('shadow_of: expected the decision that was acted on, as this one was not, received null');
  checkAlternatives(decision, reasons);
};

function checkAlternatives(decision: DecisionFields, reasons: string[]): void {
  const { action, alternatives, more_alternatives: more, propensity } = decision;
  if (more < 0) reasons.push(`more_alternatives: expected an integer from 0, received ${more}`);
  if (alternatives.length > MOST_ALTERNATIVES) {
    const [most, given] = [MOST_ALTERNATIVES, alternatives.length];
    reasons.push(
      `alternatives: expected at most ${most}, and the rest as a count in more_alternatives, received ${given}`,
    );
  }
  const seen = new Set([action]);
  for (const [index, { action: other }] of alternatives.entries()) {
    if (seen.has(other)) {
      const expected = other === action ? 'another action than the one taken' : 'an action that is there once';
      reasons.push(`alternatives[${index}].action: expected ${expected}, received ${describeReceived(other)}`);
    }
    seen.add(other);
  }
  if (alternatives.every((one) => one.propensity === null)) return;
  let sum = propensity ?? 0;
  let isWhole = true;
  if (propensity === null) {
    isWhole = false;
    reasons.push('propensity: expected a chance, as alternatives have one, received null');
  }
  for (const [index, { propensity: chance }] of alternatives.entries()) {
    const isFit = chance !== null && chance >= 0 && chance <= 1;
    if (isFit) sum += chance;
    else {
      isWhole = false;
      reasons.push(`alternatives[${index}].propensity: expected a number from 0 to 1, received ${chance}`);
    }
  }
  if (!isWhole || (sum <= 1 + SUM_TOLERANCE && (more > 0 || sum >= 1 - SUM_TOLERANCE))) return;
  const expected = more > 0 ? 'at most 1' : '1';
  reasons.push(`propensity: expected a sum of ${expected} with those of the alternatives, received ${sum}`);
}

function isChance(value: number): boolean {
  return value > 0 && value <= 1;
}

function chanceReason(field: string, value: number): string {
  return `${field}: expected a number above 0 and at most 1, received ${value}`;
}

/** What an outcome says beyond its fields: what it is about. */
export const outcomeCheck: RowCheck = (row: Row, reasons) => {
  if (row['decision_id'] === null && (row['entity'] ?? null) === null)
    reasons.push('decision_id: expected a decision, or an entity in its place, received null');
};

/** The rule of a source by what it says. */
export const SAID_CHECKS: Readonly<Record<'decisions' | 'outcomes', RowCheck>> = {
  decisions: decisionCheck,
  outcomes: outcomeCheck,
};
