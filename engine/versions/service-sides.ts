import type { CompiledService } from '../define/compiled-view.ts';
import { type DerivedCode, derivedCodeOf, type ServiceCode } from '../define/derived-code.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { isDerivedBy, type ServiceVersion, serviceVersions } from '../postgres/service-versions.ts';
import type { ServiceSide } from './service-diff-types.ts';

/** Where versions of services and their code are. */
export interface ServiceSidesContext {
  readonly pool: Queryable;
  readonly code: ServiceCode;
  /** As the definitions at hand have it. */
  readonly atHand: CompiledService | undefined;
}

/** The two, each with its own code. */
export interface ServiceSides {
  readonly before: ServiceSide;
  readonly after: ServiceSide;
}

/**
 * Two versions of a service, each with the code of what it derives. Where nobody says which: the served one and the definition at hand; where that is the very
 * one which is served, the newest before it and the served one.
 *
 * @param named two numbers of versions
 * @throws MillraceError `unknown-service`, `unknown-version`, `derives-nothing`, and what `ServiceCode.derivedBy` does: `definition-changed` where code was not kept
 * @example
 * const { before, after } = await serviceSides({ pool, code, atHand }, 'delay_model', [1, 2]);
 */
export async function serviceSides(
  { pool, code, atHand }: ServiceSidesContext,
  service: string,
  named?: readonly [before: number, after: number],
): Promise<ServiceSides> {
  const known = await serviceVersions(pool, service);
  if (known.length === 0)
    throw new MillraceError('unknown-service', `no version of service "${service}" was ever applied`, {
      remedy: 'Apply it ("millrace apply"), or correct the name.',
      httpStatus: 404,
      details: { service },
    });
  const kept = async (number: number): Promise<ServiceSide> => {
    if (!known.some(({ version }) => version === number)) throw unknownVersion(service, known, `no version ${number}`);
    const derived = await code.derivedBy({ service, version: number });
    return { version: number, code: derives(derived, `service "${service}", version ${number}`) };
  };
  if (named !== undefined) return { before: await kept(named[0]), after: await kept(named[1]) };
  const served = known.find(({ missing }) => missing.length === 0);
  if (served === undefined) throw unknownVersion(service, known, 'no version that is served');
  const isOther = atHand !== undefined && !isSame(served, atHand);
  if (isOther)
    return {
      before: await kept(served.version),
      after: {
        version: null,
        code: derives(derivedCodeOf(atHand), `service "${service}" of the definitions at hand`),
      },
    };
  const previous = known.find(({ version, derives: derived }) => version < served.version && derived);
  if (previous !== undefined) return { before: await kept(previous.version), after: await kept(served.version) };
  // What derives nothing says so first.
  await kept(served.version);
  throw unknownVersion(service, known, `nothing to compare its version ${served.version} with`);
}

function isSame(served: ServiceVersion, { derivedTag }: CompiledService): boolean {
  return derivedTag === undefined ? !served.derives : isDerivedBy(served, derivedTag);
}

function derives(code: DerivedCode | null, what: string): DerivedCode {
  if (code !== null && code.derived.length > 0) return code;
  throw new MillraceError('derives-nothing', `${what} derives nothing: there is nothing to compare`, {
    remedy: 'Compare versions that derive features; what views say is compared by view: "millrace diff VIEW".',
    httpStatus: 409,
  });
}

function unknownVersion(service: string, known: readonly ServiceVersion[], has: string): MillraceError {
  const numbers = known.map(({ version }) => version).toSorted((a, b) => a - b);
  return new MillraceError(
    'unknown-version',
    `service "${service}" has ${has}; versions of it are ${numbers.join(', ')}`,
    {
      remedy:
        'Name two that there are (--versions 1,2), or change the definition at hand: it is compared with what is served.',
      httpStatus: 404,
      details: { service, known: numbers },
    },
  );
}
