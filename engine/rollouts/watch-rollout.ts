import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { CompiledSource } from '../define/compiled-view.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { changesText } from '../models/model-errors.ts';
import { modelChanges } from '../models/model-fit.ts';
import { modelAliases, modelVersion } from '../postgres/model-versions.ts';
import { noteBreach, noteSeen, rolloutBreach } from '../postgres/rollout-evidence.ts';
import { renewLease, type Rollout, rolloutById } from '../postgres/rollouts.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import { watchedDecision } from './decision-figures.ts';
import { DecisionGuards } from './decision-guards.ts';
import { breachText, type RolloutBreach } from './rollout-breach.ts';
import type { RolloutRule } from './rollout-rule.ts';
import { endRollout, LEASE_MS } from './steer-rollouts.ts';

/** How often guardrails are judged, and how often row and candidate are looked at and the lease is renewed. */
const JUDGE_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 5_000;

export interface WatchOptions {
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly decisions: CompiledSource;
  readonly topic: string;
  readonly rollout: string;
  readonly candidate: number;
  readonly rule: RolloutRule;
  /** Where the topic ended when the rollout was opened; of partitions that came since, their beginning. */
  readonly positions: ReadonlyMap<number, number>;
  readonly clock: Clock;
  /** Ends the watch by itself, after so long. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  /** Tells the applications that the row has changed. */
  readonly announce: (model: string) => Promise<unknown>;
  readonly onProgress?: ((progress: WatchProgress) => void) | undefined;
}

/** Where a watch stands. */
export interface WatchProgress {
  /** Of the rollout. */
  readonly decisions: number;
  /** Records of the topic that are no decision by the contract. */
  readonly invalid: number;
  readonly lag: number;
  readonly breached: number;
}

/** How a watch ended. Of `breached` and `gone` everyone was returned. */
export type WatchEnd =
  | { readonly ended: 'budget' | 'aborted' | 'over' }
  | { readonly ended: 'breached'; readonly breach: RolloutBreach; readonly why: string }
  | { readonly ended: 'gone'; readonly why: string };

/**
 * Watches a rollout: judges its guardrails on the decisions as they come, renews its lease, and returns everyone within seconds where one is breached or the
 * candidate is not to be held any more. A watch that begins again reads from where the rollout began, and comes to the same.
 *
 * @example
 * const end = await watchRollout({ pool, reader, decisions, topic, rollout, candidate: 2, rule, positions, clock, budgetMs, signal, announce });
 */
export async function watchRollout(options: WatchOptions): Promise<WatchEnd> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const watch = new Watch(options);
  const reading = watch.read(signal);
  // Whichever ends first ends the other; a fault of reading is thrown.
  try {
    return await Promise.race([watch.judge(signal), reading.then(() => watch.judge(signal))]);
  } finally {
    stop.abort();
    await reading.catch(() => undefined);
  }
}

class Watch {
  readonly #options: WatchOptions;
  readonly #guards: DecisionGuards;
  readonly #positions: Map<number, number>;
  readonly #ends = new Map<number, number>();
  #decisions = 0;
  #invalid = 0;
  #isNew = false;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  /** Of the candidate, by stage. */
  readonly #firstOf = new Map<number, number>();
  #stage = 0;
  #restart = new AbortController();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#guards = new DecisionGuards(options.rule);
    this.#positions = new Map(options.positions);
  }

  /** Reads until it is aborted. */
  async read(signal: AbortSignal): Promise<void> {
    const { reader, topic } = this.#options;
    while (!signal.aborted) {
      this.#restart = new AbortController();
      try {
        const own = AbortSignal.any([signal, this.#restart.signal]);
        for await (const batch of reader.read({ topic, positions: new Map(this.#positions), signal: own })) {
          for (const { value } of batch.records) this.#take(value);
          this.#positions.set(batch.partition, batch.nextOffset);
          this.#ends.set(batch.partition, batch.endOffset);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isMillraceError(error) || error.code !== 'offset-out-of-range') throw error;
        if (!(await this.#passWhatIsGone())) throw error;
      }
    }
  }

  /** Judges and looks, again and again. */
  async judge(signal: AbortSignal): Promise<WatchEnd> {
    const { budgetMs, clock } = this.#options;
    const startMs = clock.monotonicMs();
    let lookedMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (signal.aborted) return { ended: 'aborted' };
      const end = this.#isNew ? await this.#breached() : null;
      if (end !== null) return end;
      if (clock.monotonicMs() - lookedMs >= LOOK_EVERY_MS) {
        lookedMs = clock.monotonicMs();
        const over = await this.#look();
        if (over !== null) return over;
      }
      if (clock.monotonicMs() - startMs >= budgetMs) return { ended: 'budget' };
      this.#tell(0);
      await sleep(JUDGE_EVERY_MS, undefined, { signal }).catch(() => undefined); // the loop ends by the signal itself
    }
  }

  #take(value: Uint8Array | null): void {
    if (value === null) return;
    const { decisions, rollout } = this.#options;
    const decoded = decisions.contract.decodeJson(value);
    if (!decoded.ok) {
      this.#invalid++;
      return;
    }
    const decision = watchedDecision(decoded.row, rollout);
    if (decision === null) return;
    const decidedUs = decoded.row[decisions.eventTimeField] as number;
    this.#decisions++;
    this.#isNew = true;
    this.#first = Math.min(this.#first, decidedUs);
    this.#last = Math.max(this.#last, decidedUs);
    this.#stage = Math.max(this.#stage, decision.stage);
    if (decision.variant === 'candidate')
      this.#firstOf.set(decision.stage, Math.min(this.#firstOf.get(decision.stage) ?? decidedUs, decidedUs));
    this.#guards.take(decision);
  }

  async #breached(): Promise<WatchEnd | null> {
    this.#isNew = false;
    const { rule, pool, rollout, clock, announce } = this.#options;
    const judgement = this.#guards.judge().find(({ isBreached }) => isBreached);
    if (judgement === undefined) return null;
    const breach: RolloutBreach = {
      rule: rule.guardrails[judgement.guardrail]!,
      judgement,
      stage: this.#stage,
      foundAtMs: Math.round(clock.nowUs() / 1000),
      firstDecidedUs: this.#firstOf.get(this.#stage) ?? null,
      lastDecidedUs: Number.isFinite(this.#last) ? this.#last : null,
    };
    const why = breachText(breach);
    // First why, then the end: whoever comes after one that died in between can say it.
    await noteBreach(pool, rollout, breach, why);
    const ended = await endRollout({ pool, id: rollout, phase: 'returned', actor: 'guardrail', why });
    await announce(ended.model);
    this.#tell(1);
    return { ended: 'breached', breach, why };
  }

  /** Renews the lease, and looks whether the rollout is open and its candidate there. */
  async #look(): Promise<WatchEnd | null> {
    const { pool, rollout, announce } = this.#options;
    // First the topic: who cannot read what is decided watches nothing, and everybody is to have what was there once the lease has lapsed.
    await this.#findPartitions();
    if (!(await renewLease(pool, rollout, LEASE_MS))) return await this.#over();
    if (this.#decisions > 0) {
      const seen = { firstDecidedUs: this.#first, lastDecidedUs: this.#last, decisions: this.#decisions };
      await noteSeen(pool, rollout, seen);
    }
    const why = await this.#whyGone();
    if (why === null) return null;
    const ended = await endRollout({ pool, id: rollout, phase: 'returned', actor: 'guardrail', why });
    await announce(ended.model);
    return { ended: 'gone', why };
  }

  /** By whom it was ended: by a guardrail where a watch before this one died before it could say so. */
  async #over(): Promise<WatchEnd> {
    const { pool, rollout, announce } = this.#options;
    const row = await rolloutById(pool, rollout);
    const known = row?.phase === 'returned' ? await rolloutBreach<RolloutBreach>(pool, rollout) : null;
    if (row === null || known === null) return { ended: 'over' };
    await announce(row.model);
    return { ended: 'breached', ...known };
  }

  /** Why applications cannot hold the candidate any more; null: they can. */
  async #whyGone(): Promise<string | null> {
    const { pool, rollout, candidate } = this.#options;
    const row = await rolloutById(pool, rollout);
    if (row === null) return null;
    const version = await modelVersion(pool, row.model, candidate);
    if (version === null) return `the candidate, version ${candidate}, is not there any more`;
    if (version.state === 'rolled-back') return `the candidate, version ${candidate}, was rolled back`;
    const moved = await this.#championMoved(row);
    if (moved !== null) return moved;
    const changes = await modelChanges(pool, version);
    if (changes.length === 0) return null;
    return `the candidate, version ${candidate}, was trained on other features than are served: ${changesText(changes)}`;
  }

  /**
   * Units of `against` keep what the champion was: whoever moves it, above all back from what is broken, means everyone. Null: it stands for what it stood
   * for, or nobody noted for what.
   */
  async #championMoved({ model, asked }: Rollout): Promise<string | null> {
    const { champion: before } = asked;
    if (typeof before !== 'number') return null;
    const row = (await modelAliases(this.#options.pool, model)).find(({ alias }) => alias === 'champion');
    if (row === undefined || row.version === before) return null;
    return `the champion was moved from version ${before} to version ${row.version} by ${row.actor}: what it is tried against is not what there is any more`;
  }

  async #findPartitions(): Promise<void> {
    const { partitions } = await this.#options.reader.bounds(this.#options.topic);
    const found = partitions.filter(({ partition }) => !this.#positions.has(partition));
    for (const { partition, lowOffset } of found) this.#positions.set(partition, lowOffset);
    for (const { partition, endOffset } of partitions) this.#ends.set(partition, endOffset);
    if (found.length > 0) this.#restart.abort();
  }

  /**
   * What neither topic nor archive has any more is passed: guardrails go by what there is. Of a topic that was made again all is new. False where there is
   * nothing to pass: trying again would see nothing.
   */
  async #passWhatIsGone(): Promise<boolean> {
    const { partitions } = await this.#options.reader.bounds(this.#options.topic);
    let isPassed = false;
    for (const { partition, lowOffset, endOffset } of partitions) {
      const at = this.#positions.get(partition);
      if (at !== undefined && at >= lowOffset && at <= endOffset) continue;
      this.#positions.set(partition, lowOffset);
      isPassed = true;
    }
    return isPassed;
  }

  #tell(breached: number): void {
    let lag = 0;
    for (const [partition, end] of this.#ends) lag += Math.max(0, end - (this.#positions.get(partition) ?? end));
    this.#options.onProgress?.({ decisions: this.#decisions, invalid: this.#invalid, lag, breached });
  }
}
