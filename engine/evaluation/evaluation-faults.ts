import { MillraceError } from '../errors/millrace-error.ts';
import type { LabelCounts } from './evaluation-report.ts';

/** The error where nothing at all was decided in the days that are asked about. */
export function nothingDecided(labels: string, from: string, to: string): MillraceError {
  return new MillraceError('nothing-decided', `label set "${labels}": no decision of ${from} to ${to}`, {
    remedy:
      'Ask about days in which something was decided: --from is included, --to is not. "millrace log SOURCE" says what is there.',
    httpStatus: 422,
    details: { labels, from, to },
  });
}

/** The error where a version decided nothing in the days that are asked about. */
export function modelNeverDecided(name: string, deciders: ReadonlyMap<string, number>): MillraceError {
  const known = [...deciders].map(([one, rows]) => `${one} (${rows})`).join(', ');
  return new MillraceError(
    'model-never-decided',
    `${name} decided nothing in these days; decisions are of: ${known || 'no version of a model'}`,
    {
      remedy:
        'Name a version that decided, acting or in shadow, or other days; what a model that never decided gives is read from a file: --scores, --policy.',
      httpStatus: 422,
      details: { name, known: Object.fromEntries(deciders) },
    },
  );
}

/** The error where decisions are there, and what came of none of them is final. */
export function noMatureLabels(name: string, asOf: string, counts: LabelCounts): MillraceError {
  const { decisions, immature, leftOut } = counts;
  return new MillraceError(
    'no-mature-labels',
    `${name}: of ${decisions} decisions none has a label as of ${asOf}: ${immature} are not mature yet, of ${leftOut} nothing came`,
    {
      remedy:
        immature > 0
          ? 'Wait until labels are mature (matureAfter of the label set), and outcomes are archived as far; or ask about earlier days.'
          : 'Look whether outcomes arrive, and name the decisions they belong to (`on` of the label set).',
      httpStatus: 422,
      details: { name, asOf, counts },
    },
  );
}

/** The error where decisions have labels and no scores. */
export function noScores(name: string, decisions: number, where: string): MillraceError {
  return new MillraceError('no-scores', `${name}: none of ${decisions} decisions with a label has a score ${where}`, {
    remedy: 'Log the score of what was decided (decide({ score })), or give scores by decision in a file: --scores.',
    httpStatus: 422,
    details: { name, decisions },
  });
}

/** The error where labels are texts. */
export function labelNotScored(labels: string, seen: readonly string[]): MillraceError {
  return new MillraceError(
    'label-not-scored',
    `label set "${labels}": its labels are texts (${seen.join(', ')}): a score is a chance of yes, or foretells a number`,
    {
      remedy:
        'Say which text is yes (--positive TEXT); or give a cost matrix (--reward FILE) and ask what a policy would have brought.',
      httpStatus: 422,
      details: { labels, seen },
    },
  );
}

/** The error where no decision tells by what chance it was taken. */
export function propensitiesMissing(decisions: number): MillraceError {
  return new MillraceError(
    'propensities-missing',
    `none of ${decisions} logged decisions tells its propensity: what another policy would have brought cannot be told`,
    {
      remedy: 'Let the policy explore, and log its chances: decide({ propensity, alternatives }).',
      httpStatus: 422,
      details: { decisions },
    },
  );
}

/** The error where more decisions are asked about than are held. */
export function evaluationTooLarge(most: number): MillraceError {
  return new MillraceError('evaluation-too-large', `more than ${most} decisions are asked about`, {
    remedy: 'Take a share of the units (--sample 0.1), or fewer days.',
    httpStatus: 422,
    details: { most },
  });
}
