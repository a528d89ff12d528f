import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { badConfiguration, type ConfigurationFault, urlOf } from './environment.ts';
import { shown } from './masked.ts';

/** Look-ups (entities times views) and bytes of bodies a second that a token may ask for unless it says otherwise. */
const ENTITIES_PER_S = 20_000;
const BYTES_PER_S = 16 * 2 ** 20;

/** How the API is reached, and by whom. */
export interface ApiSettings {
  readonly host: string;
  /** `null`: not said; tokens are asked for wherever others than this machine can ask. */
  readonly auth: 'tokens' | 'open' | null;
  readonly jwt: { readonly jwksUrl: string; readonly issuer: string; readonly audience: string } | null;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
  /** Of a token that has no limits of its own. */
  readonly perCaller: { readonly entitiesPerS: number; readonly bytesPerS: number };
  /** Of all together; null: as much as the machine can. */
  readonly perProcess: { readonly entitiesPerS: number | null; readonly bytesPerS: number | null };
}

const RATE = 'a whole number a second, at least 1';
const rate = z
  .string()
  .regex(/^[1-9]\d{0,11}$/, { error: RATE })
  .transform(Number);
const text = z.string();

const schema = z.object({
  MILLRACE_API_HOST: text.regex(/^[^\s/]+$/, { error: 'a host name or an address to listen on' }).default('127.0.0.1'),
  MILLRACE_API_AUTH: z.enum(['tokens', 'open'], { error: 'tokens or open' }).optional(),
  MILLRACE_API_JWKS_URL: text
    .refine(urlOf(['https:', 'http:']), { error: "the URL of the issuer's keys (JWKS)" })
    // `fetch` takes none that has them, and says the whole of it.
    .refine((url) => !/^[^/]*:\/\/[^/?#]*@/.test(url), {
      error: "the URL of the issuer's keys, without a user or a password",
    })
    .optional(),
  MILLRACE_API_JWT_ISSUER: text.optional(),
  MILLRACE_API_JWT_AUDIENCE: text.optional(),
  MILLRACE_API_TLS_CERT: text.optional(),
  MILLRACE_API_TLS_KEY: text.optional(),
  MILLRACE_API_ENTITIES_PER_S: rate.default(ENTITIES_PER_S),
  MILLRACE_API_BYTES_PER_S: rate.default(BYTES_PER_S),
  MILLRACE_API_TOTAL_ENTITIES_PER_S: rate.optional(),
  MILLRACE_API_TOTAL_BYTES_PER_S: rate.optional(),
});

const TOGETHER = [
  ['MILLRACE_API_JWKS_URL', 'MILLRACE_API_JWT_ISSUER', 'MILLRACE_API_JWT_AUDIENCE'],
  ['MILLRACE_API_TLS_CERT', 'MILLRACE_API_TLS_KEY'],
] as const;

/**
 * Reads and checks the variables `MILLRACE_API_*`, and the files they name.
 *
 * @throws MillraceError `bad-configuration` with every fault (`details.faults`)
 * @example
 * const { host, auth } = readApiSettings(process.env);
 */
export function readApiSettings(variables: NodeJS.ProcessEnv): ApiSettings {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  const faults: ConfigurationFault[] = (parsed.error?.issues ?? []).map((issue) => {
    const variable = String(issue.path[0]);
    return { variable, received: shown(variable, given[variable]), expected: issue.message };
  });
  for (const names of TOGETHER) faults.push(...togetherFaults(names, given));
  const cert = fileOf('MILLRACE_API_TLS_CERT', given, faults);
  const key = fileOf('MILLRACE_API_TLS_KEY', given, faults);
  if (faults.length > 0 || !parsed.success) throw badConfiguration(faults);
  const values = parsed.data;
  const { MILLRACE_API_JWKS_URL: jwksUrl, MILLRACE_API_JWT_ISSUER: issuer } = values;
  const audience = values.MILLRACE_API_JWT_AUDIENCE;
  const hasJwt = jwksUrl !== undefined && issuer !== undefined && audience !== undefined;
  return {
    host: values.MILLRACE_API_HOST,
    auth: values.MILLRACE_API_AUTH ?? null,
    jwt: hasJwt ? { jwksUrl, issuer, audience } : null,
    tls: cert === null || key === null ? null : { cert, key },
    perCaller: { entitiesPerS: values.MILLRACE_API_ENTITIES_PER_S, bytesPerS: values.MILLRACE_API_BYTES_PER_S },
    perProcess: {
      entitiesPerS: values.MILLRACE_API_TOTAL_ENTITIES_PER_S ?? null,
      bytesPerS: values.MILLRACE_API_TOTAL_BYTES_PER_S ?? null,
    },
  };
}

function togetherFaults(names: readonly string[], given: NodeJS.ProcessEnv): ConfigurationFault[] {
  const set = names.filter((name) => given[name] !== undefined);
  if (set.length === 0) return [];
  return names
    .filter((name) => given[name] === undefined)
    .map((variable) => ({ variable, received: null, expected: `a value, since ${set.join(' and ')} is set` }));
}

function fileOf(variable: string, given: NodeJS.ProcessEnv, faults: ConfigurationFault[]): Buffer | null {
  const path = given[variable];
  if (path === undefined) return null;
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    faults.push({ variable, received: path, expected: `a PEM file that can be read (${why})` });
    return null;
  }
}
