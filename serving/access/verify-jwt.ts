import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { masked } from '../../config/masked.ts';
import { isMillraceError, MillraceError } from '../../engine/errors/millrace-error.ts';
import type { Clock } from '../../engine/values/clock.ts';
import type { Verify } from './caller.ts';
import { readScope, type Scope } from './scope.ts';

/** Signed by a key that only the issuer has: with a shared secret, whoever can check could also sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Three parts of base64url, as every signed JWT. */
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whose JSON Web Tokens are taken. */
export interface JwtSettings {
  /** Where the issuer publishes its keys (a JWKS). */
  readonly jwksUrl: string;
  readonly issuer: string;
  readonly audience: string;
}

/**
 * A verifier of JSON Web Tokens (RFC 7519): signature, issuer, audience, `exp` (required) and `nbf`. The claim `scope` (or `scp`) has the scopes, by
 * blanks; those of other applications are passed over. Gives null for what is none, is forged or has expired; throws MillraceError
 * `service-unreachable` (retryable) while the issuer's keys cannot be had.
 *
 * @param keys where keys come from. Default: `jwksUrl`, cached and asked again for unknown keys at most every 30 s
 */
export function jwtVerifier(
  settings: JwtSettings,
  clock: Clock,
  keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(settings.jwksUrl)),
): Verify {
  const { issuer, audience } = settings;
  return async (credential) => {
    if (!SHAPE.test(credential)) return null;
    try {
      const { payload } = await jwtVerify(credential, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(clock.nowUs() / 1000),
      });
      return { id: `jwt:${payload.sub}`, scopes: scopesOf(payload), limits: { entitiesPerS: null, bytesPerS: null } };
    } catch (error) {
      if (isOfToken(error)) return null;
      throw new MillraceError(
        'service-unreachable',
        `the keys of ${issuer} cannot be read at ${masked(settings.jwksUrl)}: ${error instanceof Error ? error.message : String(error)}`,
        { remedy: 'Look whether MILLRACE_API_JWKS_URL answers.', retryable: true, httpStatus: 503, cause: error },
      );
    }
  };
}

/** What is wrong with the token itself, and not with the way to the keys. */
function isOfToken(error: unknown): boolean {
  const ofKeys = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  return error instanceof errors.JOSEError && !ofKeys && error.code !== 'ERR_JOSE_GENERIC';
}

function scopesOf({ scope, scp }: JWTPayload): Scope[] {
  const given = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scp) ? scp.map(String) : [];
  return given.flatMap((text) => {
    try {
      return [readScope(text)];
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      return [];
    }
  });
}
