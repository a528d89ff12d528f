import type pg from 'pg';
import type { VariantShare } from '../evidence/variant-shares.ts';
import { AGAINST, CANDIDATE, type RolloutVariant, variantsInOrder } from '../evidence/rollout-variants.ts';
import { featuresOfModelChanged, unknownModel } from '../models/model-errors.ts';
import { modelChanges } from '../models/model-fit.ts';
import { moveAlias } from '../models/steer-models.ts';
import { appendEvent } from '../postgres/audit-events.ts';
import { lockModel, modelVersion } from '../postgres/model-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import {
  insertRollout,
  insertRolloutRevision,
  lockRollout,
  type Rollout,
  rolloutById,
  type RolloutEnd,
  rolloutOf,
  updateRollout,
} from '../postgres/rollouts.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { invalidRollout, rolloutEnded, rolloutIsOpen, rolloutMoved, unknownRollout } from './rollout-errors.ts';

/** How long a rollout goes on without anybody who watches it, in ms. */
export const LEASE_MS = 300_000;

interface Said {
  readonly pool: pg.Pool;
  readonly actor: string;
  /** Shown among the events and in the report. */
  readonly why: string;
}

export interface RolloutToOpen
  extends Said,
    Pick<Rollout, 'id' | 'model' | 'mode' | 'shadow' | 'variants'>,
    Partial<Pick<Rollout, 'salt' | 'stage' | 'asked'>> {
  readonly leaseMs?: number | undefined;
}

/**
 * Starts a rollout of a model, which has one at a time. Said again with the same id it is done; the row is given as it is now.
 *
 * @param rollout `salt`: without a character 0; default its id
 * @throws MillraceError `rollout-open`, `invalid-rollout`, `invalid-shares`, `unknown-model` for a version that there is none of
 * @example
 * await openRollout({ pool, id, model: 'late', mode: 'stages', shadow: true, variants: [{ variant: 'candidate', version: 2, share: 0 }, { variant: 'against', version: 1, share: 1 }], actor, why: 'started' });
 */
export async function openRollout(asked: RolloutToOpen): Promise<Rollout> {
  const { pool, id, model, mode, shadow, actor, why, stage = 0, salt = id, leaseMs = LEASE_MS } = asked;
  const variants = variantsInOrder(asked);
  if (salt === '' || salt.includes('\0')) throw invalidRollout(`rollout "${id}": a salt is text without a character 0`);
  return await withTransaction(pool, async (client) => {
    await lockModel(client, model);
    const known = await rolloutById(client, id);
    if (known !== null) {
      if (known.model !== model) throw rolloutIsOpen(known);
      return known;
    }
    const open = await rolloutOf(client, model);
    if (open !== null) throw rolloutIsOpen(open);
    for (const { version } of variants)
      if ((await modelVersion(client, model, version)) === null)
        throw unknownModel(`version ${version} of model "${model}"`);
    const row = { id, model, salt, mode, stage, shadow, variants, asked: asked.asked ?? {} };
    return await noted(client, await insertRollout(client, row, leaseMs), 'rollout open', { actor, why });
  });
}

/** What a rollout is moved to. */
export interface NextState extends Pick<Rollout, 'stage' | 'shadow'> {
  /** Of each of its variants. */
  readonly shares: readonly VariantShare[];
}

/**
 * Gives an open rollout its next state, and renews its lease. The salt stays, so that by stages a growing share moves units only towards the candidate.
 * Said again it is done.
 *
 * @param move `expected`: the revision that the next state was decided on
 * @throws MillraceError `rollout-moved`, `rollout-ended`, `unknown-rollout`, `invalid-rollout`, `invalid-shares`
 * @example
 * await moveRollout({ pool, id, expected: 1, next: { stage: 1, shadow: false, shares: [{ variant: 'candidate', share: 0.1 }, { variant: 'against', share: 0.9 }] }, actor, why: 'stage 0: no worse' });
 */
export async function moveRollout({
  pool,
  id,
  expected,
  next,
  actor,
  why,
  leaseMs = LEASE_MS,
}: Said & {
  readonly id: string;
  readonly expected: number;
  readonly next: NextState;
  readonly leaseMs?: number | undefined;
}): Promise<Rollout> {
  return await withTransaction(pool, async (client) => {
    const row = await lockRollout(client, id);
    if (row === null) throw unknownRollout(`rollout "${id}"`);
    if (row.phase !== 'open') throw rolloutEnded(row);
    const { stage, shadow } = next;
    const variants = variantsInOrder({ mode: row.mode, shadow, variants: withShares(row, next.shares) });
    const isDone = row.revision === expected + 1 && isSame(row, { stage, shadow, variants });
    if (isDone) return row;
    if (row.revision !== expected) throw rolloutMoved(row, expected);
    if (stage < row.stage || !Number.isSafeInteger(stage))
      throw invalidRollout(`rollout "${id}": expected a stage from ${row.stage} up, received ${stage}`);
    const moved = await updateRollout(client, { id, phase: 'open', stage, shadow, variants }, leaseMs);
    return await noted(client, moved, 'rollout move', { actor, why });
  });
}

/**
 * Ends a rollout, at whatever revision it is: everybody has the champion from then on. Ended the same way already, it is done.
 *
 * @throws MillraceError `rollout-ended` where it ended otherwise, `unknown-rollout`
 * @example
 * await endRollout({ pool, id, phase: 'returned', actor: 'guardrail', why: 'errors of candidate: 2.1 %, expected at most 1 %' });
 */
export async function endRollout({
  pool,
  id,
  phase,
  actor,
  why,
}: Said & { readonly id: string; readonly phase: Exclude<RolloutEnd, 'promoted'> }): Promise<Rollout> {
  return await withTransaction(pool, async (client) => await end(client, id, phase, AGAINST, { actor, why }));
}

/**
 * Ends a rollout by letting `champion` stand for what a variant has, in one transaction.
 *
 * @throws MillraceError `model-features-changed`, `rollout-ended`, `unknown-rollout`, `invalid-rollout` for a variant that it does not have
 * @example
 * await promoteRollout({ pool, id, actor: 'ana@laptop', why: 'approved' });
 */
export async function promoteRollout({
  pool,
  id,
  variant = CANDIDATE,
  actor,
  why,
}: Said & { readonly id: string; readonly variant?: string | undefined }): Promise<Rollout> {
  return await withTransaction(pool, async (client) => {
    const known = await rolloutById(client, id);
    if (known === null) throw unknownRollout(`rollout "${id}"`);
    const { model } = known;
    await lockModel(client, model);
    const isDone = (await lockRollout(client, id))?.phase === 'promoted';
    const ended = await end(client, id, 'promoted', variant, { actor, why });
    // The alias may stand for another version since: it is moved once.
    if (isDone) return ended;
    const { version } = ended.variants.find((one) => one.variant === variant)!;
    const target = await modelVersion(client, model, version);
    if (target === null) throw unknownModel(`version ${version} of model "${model}"`);
    const changes = await modelChanges(client, target);
    if (changes.length > 0) throw featuresOfModelChanged(target, changes); // and nothing has ended
    const before = await moveAlias(client, target, 'champion', actor);
    const input = { alias: 'champion', version, rollout: id };
    await appendEvent(client, { actor, action: 'model alias', subject: model, input, result: { before } });
    return ended;
  });
}

async function end(
  client: Queryable,
  id: string,
  phase: RolloutEnd,
  variant: string,
  said: Omit<Said, 'pool'>,
): Promise<Rollout> {
  const row = await lockRollout(client, id);
  if (row === null) throw unknownRollout(`rollout "${id}"`);
  if (row.phase === phase) return row;
  if (row.phase !== 'open') throw rolloutEnded(row);
  if (row.variants.every((one) => one.variant !== variant))
    throw invalidRollout(`rollout "${id}": it has no variant "${variant}"`);
  const variants = row.variants.map((one) => ({ ...one, share: one.variant === variant ? 1 : 0 }));
  const { stage } = row;
  const ended = await updateRollout(client, { id, phase, stage, shadow: false, variants }, 0);
  return await noted(client, ended, 'rollout end', said);
}

/** The variants of a row with other shares. */
function withShares({ id, variants }: Rollout, shares: readonly VariantShare[]): RolloutVariant[] {
  const known = new Map(variants.map((one) => [one.variant, one]));
  const isEach = shares.length === known.size && new Set(shares.map(({ variant }) => variant)).size === known.size;
  const given = shares.flatMap(({ variant, share }) => {
    const one = known.get(variant);
    return one === undefined ? [] : [{ ...one, share }];
  });
  if (isEach && given.length === known.size) return given;
  throw invalidRollout(
    `rollout "${id}": expected one share for each of ${[...known.keys()].join(', ')}, received ${shares.map(({ variant }) => variant).join(', ') || 'none'}`,
  );
}

type State = Pick<Rollout, 'stage' | 'shadow' | 'variants'>;

function isSame(a: State, b: State): boolean {
  return (
    a.stage === b.stage &&
    a.shadow === b.shadow &&
    a.variants.every(({ variant, share }, index) => {
      const other = b.variants[index];
      return other?.variant === variant && other.share === share;
    })
  );
}

async function noted(client: Queryable, row: Rollout, action: string, said: Omit<Said, 'pool'>): Promise<Rollout> {
  await insertRolloutRevision(client, row, said);
  const { id, model, revision, phase, stage, shadow, variants } = row;
  await appendEvent(client, {
    actor: said.actor,
    action,
    subject: model,
    input: { rollout: id, why: said.why },
    result: { revision, phase, stage, shadow, shares: variants.map(({ variant, share }) => `${variant}: ${share}`) },
  });
  return row;
}
