import type { CompiledService } from '../define/compiled-view.ts';
import { type DerivedCode, derivedCodeOf, seenBlocks, type ServiceCode } from '../define/derived-code.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { isDerivedBy, serviceVersions } from '../postgres/service-versions.ts';
import { sameDerivedCode } from './bundle-code.ts';
import type { BundleKeys } from './bundle-signature.ts';
import { openServiceBundle } from './open-service-bundle.ts';
import { keptServiceBundle } from './service-bundles.ts';

export interface StoredServiceCodeOptions {
  readonly pool: Queryable;
  /** Services at hand: where one is the very code of a version, that is run. Default: none. */
  readonly services?: ReadonlyMap<string, CompiledService> | undefined;
  readonly keys?: BundleKeys | undefined;
}

/** The code of services' versions: that of definitions at hand where it is the very code, else what was kept. Each is imported once in a process. */
export class StoredServiceCode implements ServiceCode {
  readonly #options: StoredServiceCodeOptions;
  /** By service and version. */
  readonly #known = new Map<string, Promise<DerivedCode | null>>();

  constructor(options: StoredServiceCodeOptions) {
    this.#options = options;
  }

  /**
   * What a version of a service derives, by the code it was applied with; null where it derives nothing.
   *
   * @throws MillraceError `definition-changed` where its code was not kept, `bundle-tampered`, `bundle-unsigned`, `bundle-unfit`
   * @example
   * const code = await new StoredServiceCode({ pool }).derivedBy({ service: 'delay_model', version: 2 });
   */
  derivedBy({ service, version }: { readonly service: string; readonly version: number }): Promise<DerivedCode | null> {
    const id = JSON.stringify([service, version]);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const asked = this.#read(service, version);
    this.#known.set(id, asked);
    asked.catch((cause: unknown) => {
      // What was imported and does not fit will not fit the next time, and would be imported again.
      if (!(cause instanceof MillraceError && cause.code === 'bundle-unfit')) this.#known.delete(id);
    });
    return asked;
  }

  /**
   * The same, of a version that is told by what it derives (`derivedTag`), as the serving log tells it; null where no version is, or its code was not kept.
   *
   * @throws MillraceError as `derivedBy` does
   */
  async derivedOf({ service, tag }: { readonly service: string; readonly tag: string }): Promise<DerivedCode | null> {
    const found = (await serviceVersions(this.#options.pool, service)).find(
      (version) => version.hasCode && isDerivedBy(version, tag),
    );
    return found === undefined ? null : await this.derivedBy(found);
  }

  async #read(service: string, version: number): Promise<DerivedCode | null> {
    const { pool, services, keys = null } = this.#options;
    const found = (await serviceVersions(pool, service)).find((one) => one.version === version);
    if (found !== undefined && !found.derives) return null;
    const bundle = await keptServiceBundle(pool, service, version, keys);
    if (bundle === null) throw codeNotKept(service, version);
    const own = services?.get(service);
    if (own === undefined || !(await sameDerivedCode(own, bundle))) return openServiceBundle(bundle);
    // Its functions; what they saw is what was applied.
    return { ...derivedCodeOf(own), fingerprint: bundle.fingerprint, blocks: seenBlocks(bundle.declared) };
  }
}

/** The answer to whoever asks for the code of a version of a service from before it was kept. */
function codeNotKept(service: string, version: number): MillraceError {
  return new MillraceError(
    'definition-changed',
    `service "${service}": the code of what its version ${version} derives was not kept`,
    {
      remedy:
        'Apply the definitions it is of again ("millrace apply"): the newest version gets its code then; or bring the code from where it was kept ("millrace bundle import"). What its views serve can be read without.',
      httpStatus: 409,
      details: { service, version },
    },
  );
}
