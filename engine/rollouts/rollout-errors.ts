import { MillraceError } from '../errors/millrace-error.ts';
import type { Rollout } from '../postgres/rollouts.ts';

/** That there is no such rollout. */
export function unknownRollout(what: string): MillraceError {
  return new MillraceError('unknown-rollout', `there is no ${what}`, {
    remedy: 'See which there are in docs/rollouts.md: "modelRollout" starts one.',
    httpStatus: 404,
  });
}

/** The refusal of a second rollout of a model. */
export function rolloutIsOpen({ id, model, stage, startedAtUs }: Rollout): MillraceError {
  return new MillraceError('rollout-open', `model "${model}": rollout "${id}" is open, at stage ${stage}`, {
    remedy: `Let it end, or end it: millrace rollout return ${model}. Where its workflow is not there any more: millrace rollout end ${model} --reason WHY`,
    httpStatus: 409,
    details: { rollout: id, model, stage, startedAtUs },
  });
}

/** The refusal of a change to a state that is not there any more. */
export function rolloutMoved({ id, revision }: Rollout, expected: number): MillraceError {
  return new MillraceError(
    'rollout-moved',
    `rollout "${id}": expected revision ${expected}, and it is at revision ${revision}`,
    {
      remedy: 'Read its state again, and decide anew.',
      httpStatus: 409,
      details: { rollout: id, expected, revision },
    },
  );
}

/** The refusal of a change to a rollout that has ended. */
export function rolloutEnded({ id, phase, model }: Rollout): MillraceError {
  return new MillraceError('rollout-ended', `rollout "${id}" of model "${model}" has ended: ${phase}`, {
    remedy: 'Start another one.',
    httpStatus: 409,
    details: { rollout: id, phase },
  });
}

/** The refusal of a state that a rollout cannot have. */
export function invalidRollout(what: string): MillraceError {
  return new MillraceError('invalid-rollout', what, {
    remedy: 'Correct what the rollout is asked for; docs/rollouts.md has the forms.',
  });
}
