import type { GuardrailKind, GuardrailRule } from '../../engine/rollouts/rollout-rule.ts';
import { type Given, invalid, objectOf, optionalTextOf, show, textOf } from '../json-input.ts';
import { numberOf, objectsOf, oneOf } from './input-fields.ts';

const FIELDS = ['kind', 'limit', 'segment', 'action', 'points'];
/** What is borne unless it is said; null: it has to be. */
const LIMITS: Readonly<Record<GuardrailKind, number | null>> = {
  latency: null,
  errors: 0.01,
  coverage: 0.05,
  'score-shift': 0.2,
  'action-share': 0.1,
  metric: 0,
};
const MOST_GUARDRAILS = 50;
const MOST_POINTS = 20;
/** Scores are chances as a rule. */
const POINTS: readonly number[] = [0.1, 0.25, 0.5, 0.75, 0.9];
/** Unless others are named: what no candidate may do, whatever it is for. */
const GUARDRAILS: readonly Given[] = [{ kind: 'errors' }, { kind: 'coverage' }];

/**
 * The guardrails of a rollout. Throws `invalid-input`.
 *
 * @param segments fields that evidence is told by
 */
export function guardrailsOf(given: Given, segments: readonly string[]): GuardrailRule[] {
  const asked = objectsOf(given, 'guardrails', GUARDRAILS);
  if (asked.length > MOST_GUARDRAILS)
    throw invalid(`"guardrails" must have at most ${MOST_GUARDRAILS} of them, received ${asked.length}`);
  return asked.map((guardrail, index) => {
    const what = `guardrails[${index}]`;
    objectOf(guardrail, FIELDS, '{"kind":"errors","limit":0.01}');
    const kind = oneOf(guardrail, 'kind', Object.keys(LIMITS) as GuardrailKind[], undefined, `${what}.kind`);
    return {
      kind,
      limit: numberOf(guardrail, 'limit', { least: 0 }, LIMITS[kind] ?? undefined, `${what}.limit`),
      segment: segmentOf(guardrail, what, segments),
      action: actionOf(guardrail, what, kind),
      points: pointsOf(guardrail, what, kind),
    };
  });
}

function segmentOf(guardrail: Given, what: string, segments: readonly string[]): string | null {
  const segment = optionalTextOf(guardrail, 'segment') ?? null;
  if (segment === null) return null;
  const field = segment.slice(0, Math.max(0, segment.indexOf('=')));
  if (segments.includes(field)) return segment;
  throw invalid(
    `"${what}.segment" must be "field=value" of a field in "segments" (${segments.join(', ') || 'none'}), received ${show(segment)}`,
  );
}

function actionOf(guardrail: Given, what: string, kind: GuardrailKind): string | null {
  if (kind === 'action-share') return textOf(guardrail, 'action');
  if (guardrail['action'] == null) return null;
  throw invalid(`"${what}.action" is of the kind "action-share", received it with "${kind}"`);
}

function pointsOf(guardrail: Given, what: string, kind: GuardrailKind): readonly number[] {
  const points = guardrail['points'] ?? (kind === 'score-shift' ? POINTS : []);
  if (kind !== 'score-shift' && guardrail['points'] != null)
    throw invalid(`"${what}.points" is of the kind "score-shift", received it with "${kind}"`);
  if (kind !== 'score-shift') return [];
  const isEach =
    Array.isArray(points) &&
    points.every((point, index) => typeof point === 'number' && (index === 0 || point > points[index - 1]));
  if (isEach && points.length > 0 && points.length <= MOST_POINTS) return points as number[];
  throw invalid(`"${what}.points" must be 1 to ${MOST_POINTS} ascending numbers, received ${show(points)}`);
}
