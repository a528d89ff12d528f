import { readFile } from 'node:fs/promises';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { RolloutInput } from '../../workflows/model-rollout/contract.ts';

/** What a rollout is started with by options, beside or in place of a file. */
export interface StartOptions {
  readonly input?: string | undefined;
  readonly candidate?: string | undefined;
  readonly against?: string | undefined;
  readonly decisions?: string | undefined;
  readonly labels?: string | undefined;
  readonly measure?: string | undefined;
  readonly better?: string | undefined;
}

/** The start form: the file's, with what options say in its place. The workflow checks it. Throws `bad-options`. */
export async function rolloutInput(model: string, options: StartOptions): Promise<RolloutInput> {
  const { input: path, candidate, against, decisions, labels, measure, better } = options;
  const given = path === undefined ? {} : await jsonOf(path);
  const metric = (given['metric'] ?? {}) as Readonly<Record<string, unknown>>;
  const told = {
    ...given,
    model,
    candidate: candidate === undefined ? given['candidate'] : versionOf(candidate),
    against: against === undefined ? given['against'] : versionOf(against),
    decisions: decisions ?? given['decisions'],
    labels: labels ?? given['labels'],
    metric: { ...metric, measure: measure ?? metric['measure'], better: better ?? metric['better'] },
  };
  // What is undefined is not there: `null` in the start form is something else.
  return JSON.parse(JSON.stringify(told)) as RolloutInput;
}

function versionOf(text: string): number | string {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : text;
}

async function jsonOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw notJson(path, cause);
  }
  throw notJson(path, 'no JSON object');
}

function notJson(path: string, cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('bad-options', `--input ${path}: ${why}`, {
    remedy: 'Name a file with one JSON object; docs/rollouts.md has the form.',
    cause,
  });
}
