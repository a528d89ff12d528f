import { readFile } from 'node:fs/promises';
import type { LabelScalar } from '../define/label-set.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** Action to label, as text, to reward. `*` stands for every action, or label, that is not named. */
export type CostMatrix = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What is not named has this one's. */
const ANY = '*';
const MOST_BYTES = 1 << 20;

/**
 * Reads a cost matrix: one JSON object of action → label → reward. Throws MillraceError `invalid-costs`.
 *
 * @example
 * await readCosts('costs.json'); // { warn: { '0': -1, '1': 4 }, wait: { '*': 0 } }
 */
export async function readCosts(path: string): Promise<CostMatrix> {
  const fail = (why: string, cause?: unknown): MillraceError =>
    new MillraceError('invalid-costs', `${path}: ${why}`, {
      remedy: 'Give one JSON object, action to label to reward, e.g. {"warn": {"0": -1, "1": 4}, "wait": {"*": 0}}.',
      details: { path },
      cause,
    });
  let text: string;
  let value: unknown;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fail(`it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (text.length > MOST_BYTES) throw fail(`it has ${text.length} characters; at most ${MOST_BYTES} are read`);
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail(`it is no JSON: ${String(cause)}`, cause);
  }
  if (!isObject(value) || Object.keys(value).length === 0) throw fail('expected an object with an action at least');
  for (const [action, rewards] of Object.entries(value)) {
    if (!isObject(rewards) || Object.keys(rewards).length === 0)
      throw fail(`"${action}": expected an object with a label at least`);
    for (const [label, reward] of Object.entries(rewards))
      if (!Number.isFinite(reward))
        throw fail(`"${action}", label "${label}": expected a number, received ${JSON.stringify(reward)}`);
  }
  return value as CostMatrix;
}

/**
 * The reward of an action where a label came of it. Without a matrix the label is the reward: false is 0, true is 1.
 *
 * @throws MillraceError `reward-missing`
 */
export function rewardOf(costs: CostMatrix | undefined, action: string, label: LabelScalar): number {
  if (costs === undefined) {
    if (typeof label !== 'string') return Number(label);
    throw rewardMissing(action, label, 'a label that is a text is no reward');
  }
  const rewards = own(costs, action) ?? own(costs, ANY);
  const reward = rewards && (own(rewards, String(label)) ?? own(rewards, ANY));
  if (reward !== undefined) return reward;
  throw rewardMissing(
    action,
    label,
    rewards === undefined ? 'the matrix does not have the action' : 'the matrix does not have the label',
  );
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rewardMissing(action: string, label: LabelScalar, why: string): MillraceError {
  return new MillraceError(
    'reward-missing',
    `action "${action}", label "${String(label)}": no reward is stated: ${why}`,
    {
      remedy: 'State it in the cost matrix (--reward FILE), or a reward for all others under "*".',
      details: { action, label: String(label) },
    },
  );
}
