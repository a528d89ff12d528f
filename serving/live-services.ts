import type { DerivedCode, ServiceCode } from '../engine/define/derived-code.ts';
import { keyColumns } from '../engine/define/view-role.ts';
import { sqlState } from '../engine/postgres/postgres-error.ts';
import type { Queryable } from '../engine/postgres/queryable.ts';
import {
  isDerivedBy,
  servedService,
  servedVersionNumber,
  type ServiceVersion,
} from '../engine/postgres/service-versions.ts';
import type { ServedService } from './served-service.ts';

/** Of a catalog that the release before migrated: readers are upgraded first. */
const OLDER_CATALOG: ReadonlySet<string | undefined> = new Set(['42P01', '42703']);

/** Where services as they are served come from. */
export interface LiveServicesOptions {
  readonly pool: Queryable;
  /** As the definitions at hand have them. */
  readonly services: ReadonlyMap<string, ServedService>;
  readonly code: ServiceCode;
}

/** Services as they are served: what one derives, and asks for, is what the version says that all of its views serve, whatever definitions are at hand. */
export class LiveServices {
  readonly #options: LiveServicesOptions;
  /** By service: requests at the same time share a look-up. */
  readonly #asked = new Map<string, Promise<ServedService | undefined>>();
  /** By service, of the version that was served last. */
  readonly #known = new Map<string, { readonly version: number; readonly service: ServedService }>();

  constructor(options: LiveServicesOptions) {
    this.#options = options;
  }

  /**
   * A service as its version says that is served. One of which none is, or none was applied, is as the definitions at hand have it.
   *
   * @throws MillraceError as `ServiceCode.derivedBy` does
   */
  of(name: string): Promise<ServedService | undefined> {
    const asked = this.#asked.get(name);
    if (asked !== undefined) return asked;
    const found = this.#find(name).finally(() => this.#asked.delete(name));
    this.#asked.set(name, found);
    return found;
  }

  async #find(name: string): Promise<ServedService | undefined> {
    const own = this.#options.services.get(name);
    if (own === undefined) return undefined;
    const number = await this.#ofCatalog(servedVersionNumber, name);
    const known = this.#known.get(name);
    if (known !== undefined && known.version === number) return known.service;
    const version = number === null ? null : await this.#ofCatalog(servedService, name);
    if (version === null) return own;
    const service = await this.#asServed(own, version);
    this.#known.set(name, { version: version.version, service });
    return service;
  }

  async #ofCatalog<Found>(
    find: (on: Queryable, service: string) => Promise<Found | null>,
    name: string,
  ): Promise<Found | null> {
    try {
      return await find(this.#options.pool, name);
    } catch (error) {
      if (OLDER_CATALOG.has(sqlState(error))) return null;
      throw error;
    }
  }

  async #asServed(own: ServedService, version: ServiceVersion): Promise<ServedService> {
    if (!version.derives) return own.derived === undefined && own.request === undefined ? own : plain(own);
    // From before code was kept, and of what is at hand.
    if (!version.hasCode && own.derivedTag !== undefined && isDerivedBy(version, own.derivedTag)) return own;
    const code = await this.#options.code.derivedBy(version);
    return code === null ? plain(own) : served(own, version, code);
  }
}

/** Without what it derives. */
function plain({ blocks, servingLog }: ServedService): ServedService {
  return { blocks, servingLog };
}

function served({ servingLog }: ServedService, { views }: ServiceVersion, code: DerivedCode): ServedService {
  const { request, derived, fingerprint: derivedTag } = code;
  const blocks = code.blocks.map(({ name, view, layout, columns }) => ({
    name,
    view: { name: view, layout },
    columns: keyColumns(layout.keys, columns),
    tags: views[view],
  }));
  return { blocks, request, derived, derivedTag, servingLog };
}
