import type { Queryable } from '../../engine/postgres/queryable.ts';
import type { VersionStatus } from '../../engine/postgres/catalog.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import type { ObservedFields } from '../../engine/define/observed-fields.ts';
import type { FeatureTags } from '../../engine/define/feature-lock.ts';
import { sqlState } from '../../engine/postgres/postgres-error.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

/** A view as it is served; else as it is being built, or is only defined. */
export interface CatalogView {
  readonly view: string;
  /** Null: it is defined, and nothing of it was ever built. */
  readonly version: number | null;
  readonly status: VersionStatus | 'defined';
  readonly fingerprint: string;
  readonly source: string;
  readonly topic: string | null;
  readonly publishedAtUs: number | null;
  readonly layout: ViewLayout;
  readonly tags: FeatureTags | null;
  /** Which fields its features were seen to read when it was begun; null: that was not noted. */
  readonly observed: ObservedFields | null;
}

/** The newest version of a model. */
export interface CatalogModel {
  readonly model: string;
  readonly version: number;
  readonly service: string;
  readonly publishedAtUs: number;
}

/** So many models are listed. */
const MOST_MODELS = 1_000;
const UNDEFINED_TABLE = '42P01';

type Head = Omit<CatalogView, 'layout' | 'tags' | 'observed' | 'version'> & { readonly version: number };
type Body = Pick<CatalogView, 'view' | 'layout' | 'tags' | 'observed'> & { readonly version: number };

/** What the catalog has of views and models, as a process knows it: layouts are read once per version, however many there are. */
export class LiveCatalog {
  readonly #pool: Queryable;
  readonly #defined: ReadonlyMap<string, CompiledView>;
  readonly #bodies = new Map<string, Body>();

  constructor(pool: Queryable, defined: ReadonlyMap<string, CompiledView>) {
    this.#pool = pool;
    this.#defined = defined;
  }

  /** The views by name. One statement, and one more after a version has changed. */
  async views(): Promise<ReadonlyMap<string, CatalogView>> {
    const { rows: heads } = await runSql<Head>(
      this.#pool,
      sqlText`
      SELECT DISTINCT ON (view) view, version, status, fingerprint, source, topic, published_at AS "publishedAtUs"
      FROM ${CATALOG}.view_version WHERE status NOT IN ('discarded', 'retired')
      ORDER BY view, (status = 'live') DESC, version DESC`,
    );
    await this.#readBodies(heads);
    const views = heads.flatMap((head): CatalogView[] => {
      const body = this.#bodies.get(head.view);
      return body === undefined ? [] : [{ ...head, layout: body.layout, tags: body.tags, observed: body.observed }];
    });
    const known = new Set(views.map(({ view }) => view));
    const defined = [...this.#defined.values()].filter(({ name }) => !known.has(name)).map(definedView);
    return new Map([...views, ...defined].toSorted((a, b) => (a.view < b.view ? -1 : 1)).map((one) => [one.view, one]));
  }

  /** The newest version of each model, by name. */
  async models(): Promise<readonly CatalogModel[]> {
    try {
      const { rows } = await runSql<CatalogModel>(
        this.#pool,
        sqlText`
        SELECT DISTINCT ON (model) model, version, service, published_at AS "publishedAtUs" FROM ${CATALOG}.model_version
        ORDER BY model, version DESC LIMIT ${MOST_MODELS}`,
      );
      return rows;
    } catch (error) {
      // A reader is upgraded before the workers that migrate.
      if (sqlState(error) === UNDEFINED_TABLE) return [];
      throw error;
    }
  }

  async #readBodies(heads: readonly Head[]): Promise<void> {
    const changed = heads.filter(({ view, version }) => this.#bodies.get(view)?.version !== version);
    const present = new Set(heads.map(({ view }) => view));
    for (const view of this.#bodies.keys()) if (!present.has(view)) this.#bodies.delete(view);
    if (changed.length === 0) return;
    const { rows } = await runSql<Body>(
      this.#pool,
      sqlText`
      SELECT v.view, v.version, v.layout, v.tags -> 'features' AS tags, to_jsonb(v) -> 'observed_fields' AS observed FROM ${CATALOG}.view_version v
      JOIN unnest(${changed.map(({ view }) => view)}::text[], ${changed.map(({ version }) => version)}::int[]) AS asked(view, version)
        ON asked.view = v.view AND asked.version = v.version`,
    );
    for (const row of rows) this.#bodies.set(row.view, row);
  }
}

function definedView({ name, fingerprint, source, layout, tags }: CompiledView): CatalogView {
  return {
    view: name,
    version: null,
    status: 'defined',
    fingerprint,
    source: source.name,
    topic: source.topic,
    publishedAtUs: null,
    layout,
    tags: tags?.features ?? null,
    observed: null,
  };
}
