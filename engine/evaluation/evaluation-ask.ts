import { MillraceError } from '../errors/millrace-error.ts';
import type { CostMatrix } from './costs.ts';

/** A version of a model, as decisions name it. */
export interface ModelNamed {
  readonly model: string;
  readonly version: number;
}

/** What is asked about a model. */
export interface EvaluationAsk {
  /** Whose scores are looked at. */
  readonly model: ModelNamed;
  /** Whose scores are put beside them, of the same days. */
  readonly against?: ModelNamed | undefined;
  /**
   * A file of `decision_id, score`: what `model` gives for decisions that others took. It need not have decided anything. Parquet, CSV or JSONL.
   */
  readonly scores?: string | undefined;
  /** The share of positives, or the mean, that was known before: that of the training set. Default: that of the rows themselves. */
  readonly baseRate?: BaseRate | undefined;
  /** Fields of the context, or `unit`, `action`, `variant`, `stage`, `day`. */
  readonly segments?: readonly string[] | undefined;
  /** Of labels that are texts, the one that scores are the chance of. */
  readonly positive?: string | undefined;
  /** Above 0 and at most 1: of the units this share, by a hash of them. */
  readonly sample?: number | undefined;
  readonly offPolicy?: OffPolicyAsk | undefined;
}

/** A rate known before, and of what it is. */
export interface BaseRate {
  readonly value: number;
  readonly of: 'training set' | 'asked';
}

/** What a policy would have brought: that of a model that decided in shadow, or one of a file. */
export interface OffPolicyAsk {
  readonly candidate?: ModelNamed | undefined;
  /** A file of `decision_id, action, propensity`: the chances of every action, a row each. Parquet, CSV or JSONL. */
  readonly policy?: string | undefined;
  /** Default: the label is the reward. */
  readonly costs?: CostMatrix | undefined;
}

/** `late@7` */
export function modelText({ model, version }: ModelNamed): string {
  return `${model}@${version}`;
}

/** Whether two are the same version of the same model. */
export function isSameModel(a: ModelNamed, b: ModelNamed): boolean {
  return a.model === b.model && a.version === b.version;
}

/**
 * Reads `late@7`; of `late` alone the version is null: what its champion is, is for whoever knows. Throws MillraceError `bad-options`.
 *
 * @param option where it stands, as `--model`
 * @example
 * modelNamed('late@7', '--model'); // { model: 'late', version: 7 }
 */
export function modelNamed(text: string, option: string): { readonly model: string; readonly version: number | null } {
  const [, model, version] = /^([^@\s]+)(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (model !== undefined) return { model, version: version === undefined ? null : Number(version) };
  throw new MillraceError('bad-options', `${option}: expected a model, or a version of one; received "${text}"`, {
    remedy: 'Write it as late, or late@7.',
  });
}
