import type pg from 'pg';
import { CATALOG } from '../postgres/schemas.ts';
import { byPlaces, deletePlaces, readHeads, statePages } from '../postgres/state-pages.ts';
import { runSql } from '../postgres/run-sql.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { HEAD_BYTES, newestOfHead, removableBeforeUs } from '../state/removable-rows.ts';
import { keptExpired } from '../define/kept-expired.ts';
import { layoutTag } from '../state/layout-tag.ts';
import type { RunStreamOptions, StreamLimits } from './stream-options.ts';
import { lockForBatch } from './stream-lock.ts';

/** A pass begins once it would reach so much further than the last one, as a share of the time to expire. */
const PASS_SHARE = 32;

/** What a step came to: `more`, the pass goes on; `done`, there is none under way; `superseded`, a newer token stands. */
type SweepStep = 'more' | 'done' | 'superseded';

interface VersionRow {
  readonly watermark_us: number | null;
  readonly expiry_pass_us: number | null;
  readonly expiry_page: number | null;
}

/**
 * Removes the rows of entities that have expired for good: no event comes for them that could. It passes over the state table, some pages a step, each
 * step one transaction under the run's token; where it stands is in the version's row, so that the next slice goes on there. States are no part of it:
 * what is cached of a row that is gone is as good as what a later event would make anew (`removable-rows.ts`).
 */
export class ExpirySweep {
  readonly #options: RunStreamOptions;
  readonly #limits: StreamLimits;
  readonly #claim: { readonly topic: string; readonly stateTable: string };
  readonly #partitions: readonly number[];
  readonly #layoutTag: number;
  readonly #isIdle: boolean;
  #dueAtMs: number;

  constructor(
    options: RunStreamOptions,
    limits: StreamLimits,
    claim: { readonly topic: string; readonly stateTable: string },
    partitions: readonly number[],
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#claim = claim;
    this.#partitions = partitions;
    const { layout, source } = options.view;
    this.#layoutTag = layoutTag(layout);
    this.#isIdle = layout.expireUs === undefined || keptExpired(layout, source) !== null || partitions.length === 0;
    this.#dueAtMs = options.clock.monotonicMs();
  }

  /** Until the next step is due, ms. */
  get leftMs(): number {
    return this.#isIdle ? Number.POSITIVE_INFINITY : Math.max(0, this.#dueAtMs - this.#options.clock.monotonicMs());
  }

  /** Takes a step if one is due, while none of the run's own transactions is under way. Null: go on. */
  async turn(): Promise<'superseded' | null> {
    if (this.leftMs > 0) return null;
    const came = await this.#step();
    const { sweepEveryMs, expireEveryMs } = this.#limits;
    this.#dueAtMs = this.#options.clock.monotonicMs() + (came === 'more' ? sweepEveryMs : expireEveryMs);
    return came === 'superseded' ? came : null;
  }

  /** Takes the steps that are left, one after the other: of a run that has an end. */
  async finish(stopping: () => boolean): Promise<'superseded' | null> {
    if (this.#isIdle) return null;
    for (;;) {
      const came = await this.#step();
      if (came !== 'more') return came === 'superseded' ? came : null;
      if (stopping()) return null;
    }
  }

  async #step(): Promise<SweepStep> {
    const { pool, failAt } = this.#options;
    const came = await withTransaction(pool, async (client) => {
      const step = await this.#removePages(client);
      await failAt?.('before-sweep-commit');
      return step;
    });
    await failAt?.('after-sweep');
    return came;
  }

  async #removePages(client: pg.PoolClient): Promise<SweepStep> {
    const { view } = this.#options;
    const { stateTable } = this.#claim;
    await lockForBatch(client, view.name, this.#options.version);
    if (!(await this.#isOurs(client))) return 'superseded';
    const row = await this.#lockVersion(client);
    const beforeUs = row && removableBeforeUs(view, row.watermark_us);
    if (row == null || beforeUs === null) return 'done';
    const from = row.expiry_page ?? (isDue(row, beforeUs, view.layout.expireUs!) ? 0 : null);
    if (from === null) return 'done';
    await byPlaces(client);
    const pages = await statePages(client, stateTable);
    const until = Math.min(pages, from + this.#limits.sweepPages);
    const heads = await readHeads(client, stateTable, { from, until }, HEAD_BYTES);
    const places = heads.flatMap(({ place, head }) => {
      const newestUs = newestOfHead(head, this.#layoutTag);
      return newestUs !== null && newestUs < beforeUs ? [place] : [];
    });
    const removed = await deletePlaces(client, stateTable, places);
    const isOver = until >= pages;
    await this.#noteStep(client, { removed, beforeUs, begins: row.expiry_page === null, page: isOver ? null : until });
    return isOver ? 'done' : 'more';
  }

  /** The lock keeps claims and fences out meanwhile: a token that stands now stands until the end. */
  async #isOurs(client: pg.PoolClient): Promise<boolean> {
    const { view, version, fence } = this.#options;
    const { rows } = await runSql<{ n: number }>(
      client,
      sqlText`
      SELECT count(*) AS n FROM ${CATALOG}.stream_offset
      WHERE view = ${view.name} AND version = ${version} AND topic = ${this.#claim.topic} AND partition = ANY(${this.#partitions}::int[])
        AND generation = ${fence.generation} AND attempt_ms = ${fence.attemptMs}`,
    );
    return rows[0]?.n === this.#partitions.length;
  }

  /** Whoever commits to the version takes its row first: until the end nobody writes states. Null where it takes no commits any more. */
  async #lockVersion(client: pg.PoolClient): Promise<VersionRow | null> {
    const { view, version } = this.#options;
    const { rows } = await runSql<VersionRow>(
      client,
      sqlText`
      SELECT v.expiry_pass_us, v.expiry_page, greatest(v.history_watermark_us,
        (SELECT max(o.watermark_us) FROM ${CATALOG}.stream_offset o WHERE o.view = v.view AND o.version = v.version)) AS watermark_us
      FROM ${CATALOG}.view_version v
      WHERE v.view = ${view.name} AND v.version = ${version} AND v.status IN ('built', 'live', 'superseded') FOR NO KEY UPDATE OF v`,
    );
    return rows[0] ?? null;
  }

  async #noteStep(
    client: pg.PoolClient,
    step: {
      readonly removed: number;
      readonly beforeUs: number;
      readonly begins: boolean;
      readonly page: number | null;
    },
  ): Promise<void> {
    const { view, version } = this.#options;
    const { removed, beforeUs, begins, page } = step;
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.view_version SET expired_rows = expired_rows + ${removed}::bigint,
        expired_before_us = CASE WHEN ${removed}::bigint > 0 THEN greatest(expired_before_us, ${beforeUs}::bigint) ELSE expired_before_us END,
        expiry_pass_us = CASE WHEN ${begins}::boolean THEN ${beforeUs}::bigint ELSE expiry_pass_us END,
        expiry_page = ${page}::bigint
      WHERE view = ${view.name} AND version = ${version}`,
    );
  }
}

function isDue({ expiry_pass_us: lastUs }: VersionRow, beforeUs: number, expireUs: number): boolean {
  return lastUs === null || beforeUs - lastUs >= expireUs / PASS_SHARE;
}
