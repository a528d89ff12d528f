import type pg from 'pg';
import type { DerivedPlan } from '../derived/derive-step.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { type FeatureLayout, isDerived, storedFeatures, type ViewLayout } from '../define/view-layout.ts';
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

/** Features that a refusal names: a view may have a thousand. */
const MOST_NAMED = 20;

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

/** Reads some features of a version's states. */
export interface SubsetReader {
  readonly reader: Pick<StateReader, 'empty' | 'finds' | 'read'>;
  /** In the order of what it reads. */
  readonly features: readonly FeatureLayout[];
  /** The code that its derived features are read with. */
  readonly derived: DerivedAtHand;
}

/** The code of derived features, or why there is none; undefined where nobody said where it would come from. */
type DerivedAtHand = readonly DerivedPlan[] | MillraceError | undefined;

/**
 * Reads one version of a view. Its statement names that version's table and returns which version is live in the same snapshot:
 * a flip at any moment is seen, and never mixes rows of two versions. It is told by its id: in a restored database another version may have the number.
 */
export class LiveReader {
  readonly version: ViewVersion;
  readonly keys: EntityKeys;
  /** Of the whole layout; derived features are read by subsets alone. */
  readonly all: StateReader;
  readonly #allNames: string;
  readonly #derived: DerivedAtHand;
  readonly #statement: { readonly name: string; readonly text: string };
  readonly #subsets = new Map<string, SubsetReader>();
  /** The same, by the very list: a program asks with the same one every time. */
  readonly #byList = new WeakMap<readonly string[], SubsetReader>();
  readonly #names: readonly string[];
  /** Readers with derived features, by the code that gives them. */
  readonly #withDerived = new WeakMap<readonly DerivedPlan[], StateReader>();

  /**
   * @param hasIds whether the version's states have commit ids
   * @param derived the code of its derived features, or why it is not at hand: the refusal of who asks for one and brings no code
   */
  constructor(version: ViewVersion, hasIds: boolean, derived?: DerivedAtHand) {
    this.version = version;
    const { layout } = version;
    this.keys = new EntityKeys(layout);
    this.all = createStateReader(layout);
    this.#derived = derived;
    this.#names = layout.features.map(({ name }) => name);
    this.#allNames = this.#names.join(',');
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

  /**
   * The reader of some features, all without them.
   *
   * @param derived the code of derived features, where the caller has it
   * @throws MillraceError `unknown-feature`
   */
  subset(features: readonly string[] | undefined, derived: DerivedAtHand = this.#derived): SubsetReader {
    const names = features ?? this.#names;
    // Of one list the code of derived features is the same every time, but for two definitions of one name.
    const listed = this.#byList.get(names);
    if (listed !== undefined && listed.derived === derived) return listed;
    const found = this.#subset(names, derived);
    this.#byList.set(names, found);
    return found;
  }

  #subset(names: readonly string[], derived: DerivedAtHand): SubsetReader {
    const id = names.join(',');
    const known = this.#subsets.get(id);
    if (known !== undefined && known.derived === derived) return known;
    const features = names.map((name) => this.#feature(name));
    const made = { features, derived, reader: this.#readerOf(id, features, derived) };
    // A caller may ask for any combination: the cache is bounded, and starting over is cheap.
    if (this.#subsets.size >= 100) this.#subsets.clear();
    this.#subsets.set(id, made);
    return made;
  }

  #readerOf(id: string, features: readonly FeatureLayout[], derived: DerivedAtHand): SubsetReader['reader'] {
    if (!features.some(isDerived)) {
      // Its states are those of the whole layout: the groups and slots are the same.
      return id === this.#allNames ? this.all : createStateReader({ ...this.layout, features });
    }
    const whole = this.#readerWith(derived);
    const places = features.map(({ name }) => whole.layout.features.findIndex((feature) => feature.name === name));
    const isWhole = places.length === whole.layout.features.length && places.every((place, index) => place === index);
    if (isWhole) return whole;
    return {
      empty: () => whole.empty(),
      finds: (state, atUs) => whole.finds(state, atUs),
      read: (state, atUs, onFailed) => {
        const cells = whole.read(state, atUs, onFailed);
        return places.map((place) => cells[place]!);
      },
    };
  }

  /** Of the stored features with derived ones: all that the code gives and the version has, for the version may have more, and other code fewer. */
  #readerWith(derived: DerivedAtHand): StateReader {
    const { layout } = this;
    if (derived instanceof MillraceError) throw derived;
    if (derived === undefined) return createStateReader(layout);
    const known = this.#withDerived.get(derived);
    if (known !== undefined) return known;
    const of = derived.map(({ name }) =>
      layout.features.find((feature) => feature.name === name && isDerived(feature)),
    );
    const made = createStateReader(
      { ...layout, features: [...storedFeatures(layout), ...of.filter((one) => one !== undefined)] },
      derived.filter((_, index) => of[index] !== undefined),
    );
    this.#withDerived.set(derived, made);
    return made;
  }

  #feature(name: string): FeatureLayout {
    const feature = this.layout.features.find((candidate) => candidate.name === name);
    if (feature !== undefined) return feature;
    const { features } = this.layout;
    const shown = features.slice(0, MOST_NAMED).map((one) => one.name);
    const more = features.length > MOST_NAMED ? ` and ${features.length - MOST_NAMED} more` : '';
    throw new MillraceError(
      'unknown-feature',
      `view "${this.layout.view}" has no feature "${name}"; it has ${shown.join(', ')}${more}`,
      { remedy: 'Correct the name.', details: { view: this.layout.view, feature: name } },
    );
  }
}
