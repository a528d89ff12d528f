import type pg from 'pg';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { isPooled } from '../postgres/pool.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { postgresTypes } from '../postgres/type-parsers.ts';
import { bindKeys, lateralState, unnestKeys } from '../postgres/state-table.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { createStateReader } from '../state/create-view-reducer.ts';
import type { StateReader } from '../state/view-reducer.ts';
import { EntityKeys } from './entity-key.ts';

/** A state as the statement found it. */
export interface FetchedState {
  readonly state: Uint8Array | null;
  readonly seq: number | null;
  /** The checksum beside it; null: not known. */
  readonly crc: number | null;
}

/** What one statement saw, of one snapshot. */
export interface Fetched {
  /** The version that was live in that snapshot; not ours: the states are not to be used. */
  readonly liveVersion: number | null;
  readonly watermarkUs: number | null;
  readonly states: readonly FetchedState[];
}

/**
 * Reads one version of a view. Its statement names that version's table and returns which version is live in the same snapshot:
 * a flip at any moment is seen, and never mixes rows of two versions.
 */
export class LiveReader {
  readonly version: ViewVersion;
  readonly keys: EntityKeys;
  readonly all: StateReader;
  readonly #statement: { readonly name: string; readonly text: string };
  readonly #subsets = new Map<string, StateReader>();

  constructor(version: ViewVersion) {
    this.version = version;
    const { layout } = version;
    this.keys = new EntityKeys(layout);
    this.all = createStateReader(layout);
    const first = layout.keys.length + 1;
    this.#statement = {
      name: `millrace-get-${version.stateTable}`,
      // A partition that lags holds the watermark back; where none does, the newest event of any counts.
      text:
        `SELECT (SELECT v.version FROM ${CATALOG.text}.view_version v WHERE v.view = $${first} AND v.status = 'live'), ` +
        '(SELECT coalesce(CASE WHEN bool_or(o.next_offset < o.end_offset) ' +
        'THEN min(coalesce(o.watermark_us, v.history_watermark_us)) FILTER (WHERE o.next_offset < o.end_offset) ' +
        'ELSE max(o.watermark_us) END, v.history_watermark_us) ' +
        `FROM ${CATALOG.text}.view_version v LEFT JOIN ${CATALOG.text}.stream_offset o ON o.view = v.view AND o.version = v.version ` +
        `WHERE v.view = $${first} AND v.version = $${first + 1} GROUP BY v.history_watermark_us), ` +
        `wanted.ord, found.state, found.seq, found.state_crc FROM ${unnestKeys(layout, 1)} ${lateralState(layout, version.stateTable)}`,
    };
  }

  get layout(): ViewLayout {
    return this.version.layout;
  }

  /** The states of `keys` in their order, in one round trip. */
  async fetch(pool: pg.Pool, keys: readonly (readonly ScalarValue[])[]): Promise<Fetched> {
    const { rows } = await pool.query<
      [number | null, number | null, number, Buffer | null, number | null, number | null]
    >({
      ...(isPooled(pool) ? { text: this.#statement.text } : this.#statement),
      values: [...bindKeys(this.layout, keys), this.version.view, this.version.version],
      rowMode: 'array',
      types: postgresTypes,
    });
    const states: FetchedState[] = keys.map(() => ({ state: null, seq: null, crc: null }));
    for (const [, , ord, state, seq, crc] of rows) states[ord - 1] = { state, seq, crc };
    return { liveVersion: rows[0]?.[0] ?? null, watermarkUs: rows[0]?.[1] ?? null, states };
  }

  /** The reader of some features. Throws MillraceError `unknown-feature`. */
  subset(features: readonly string[] | undefined): StateReader {
    if (features === undefined) return this.all;
    const id = features.join(',');
    const known = this.#subsets.get(id);
    if (known !== undefined) return known;
    const chosen = features.map((name) => {
      const feature = this.layout.features.find((candidate) => candidate.name === name);
      if (feature !== undefined) return feature;
      throw new MillraceError(
        'unknown-feature',
        `view "${this.layout.view}" has no feature "${name}"; it has ${this.layout.features.map((feature) => feature.name).join(', ')}`,
        { remedy: 'Correct the name.', details: { view: this.layout.view, feature: name } },
      );
    });
    // Its states are those of the whole layout: the groups and slots are the same.
    const subset = createStateReader({ ...this.layout, features: chosen });
    // A caller may ask for any combination: the cache is bounded, and starting over is cheap.
    if (this.#subsets.size >= 100) this.#subsets.clear();
    this.#subsets.set(id, subset);
    return subset;
  }
}
