import type pg from 'pg';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { isPooled } from '../postgres/pool.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { postgresTypes } from '../postgres/type-parsers.ts';
import { bindKeys, lateralState, unnestKeys } from '../postgres/state-table.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { WATERMARK_SQL } from '../postgres/watermark-sql.ts';
import { createStateReader } from '../state/create-view-reducer.ts';
import type { StateReader } from '../state/view-reducer.ts';
import { EntityKeys } from './entity-key.ts';

/** A state as the statement found it. */
export interface FetchedState {
  readonly state: Uint8Array | null;
  readonly seq: number | null;
  /** The id of the commit that wrote it, as text; of the backfill's states and where there is none, the version's. Null: not known. */
  readonly commitId: string | null;
  /** The checksum beside it; null: not known. */
  readonly crc: number | null;
}

/** What one statement saw, of one snapshot. */
export interface Fetched {
  /** Whether our version was live in that snapshot; if not, the states are not to be used. */
  readonly isLive: boolean;
  readonly watermarkUs: number | null;
  readonly states: readonly FetchedState[];
}

/**
 * Reads one version of a view. Its statement names that version's table and returns which version is live in the same snapshot:
 * a flip at any moment is seen, and never mixes rows of two versions. It is told by its id: in a restored database another version may have the number.
 */
export class LiveReader {
  readonly version: ViewVersion;
  readonly keys: EntityKeys;
  readonly all: StateReader;
  readonly #allNames: string;
  readonly #statement: { readonly name: string; readonly text: string };
  readonly #subsets = new Map<string, StateReader>();
  /** The same, by the very list: a program asks with the same one every time. */
  readonly #byList = new WeakMap<readonly string[], StateReader>();

  /** @param hasIds whether the version's states have commit ids */
  constructor(version: ViewVersion, hasIds: boolean) {
    this.version = version;
    const { layout } = version;
    this.keys = new EntityKeys(layout);
    this.all = createStateReader(layout);
    this.#allNames = layout.features.map(({ name }) => name).join(',');
    const first = layout.keys.length + 1;
    this.#statement = {
      // By the version's id: a session may live through a migration, and through a restore that gives the number to another version.
      name: `millrace-get-${version.commitId === null ? version.stateTable : `${version.commitId}${hasIds ? '' : '-plain'}`}`,
      text:
        `SELECT (SELECT v.${version.commitId === null ? 'version' : 'commit_id'}::text FROM ${CATALOG.text}.view_version v WHERE v.view = $${first} AND v.status = 'live'), ` +
        `(SELECT ${WATERMARK_SQL} ` +
        `FROM ${CATALOG.text}.view_version v LEFT JOIN ${CATALOG.text}.stream_offset o ON o.view = v.view AND o.version = v.version ` +
        `WHERE v.view = $${first} AND v.version = $${first + 1} GROUP BY v.history_watermark_us), ` +
        `wanted.ord, found.state, found.seq, found.state_crc, found.commit_id FROM ${unnestKeys(layout, 1)} ${lateralState(layout, version.stateTable, hasIds)}`,
    };
  }

  get layout(): ViewLayout {
    return this.version.layout;
  }

  /** The states of `keys` in their order, in one round trip. */
  async fetch(pool: pg.Pool, keys: readonly (readonly ScalarValue[])[]): Promise<Fetched> {
    const { rows } = await pool.query<
      [string | null, number | null, number, Buffer | null, number | null, number | null, string | null]
    >({
      ...(isPooled(pool) ? { text: this.#statement.text } : this.#statement),
      values: [...bindKeys(this.layout, keys), this.version.view, this.version.version],
      rowMode: 'array',
      types: postgresTypes,
    });
    const { commitId: backfill, version } = this.version;
    const states: FetchedState[] = keys.map(() => ({ state: null, seq: null, commitId: backfill, crc: null }));
    for (const [, , ord, state, seq, crc, commitId] of rows)
      states[ord - 1] = { state, seq, commitId: seq === null || seq === 0 ? backfill : commitId, crc };
    const isLive = rows[0]?.[0] === (backfill ?? String(version));
    return { isLive, watermarkUs: rows[0]?.[1] ?? null, states };
  }

  /** The reader of some features. Throws MillraceError `unknown-feature`. */
  subset(features: readonly string[] | undefined): StateReader {
    if (features === undefined) return this.all;
    const listed = this.#byList.get(features);
    if (listed !== undefined) return listed;
    const found = this.#subset(features);
    this.#byList.set(features, found);
    return found;
  }

  #subset(features: readonly string[]): StateReader {
    const id = features.join(',');
    if (id === this.#allNames) return this.all;
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
