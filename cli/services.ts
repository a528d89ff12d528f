import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { Environment, KafkaSettings } from '../config/environment.ts';
import { checkReachable } from '../config/reachability.ts';
import { refuseUnfitDatabase } from '../engine/postgres/fit-database.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';
import { readConnection } from './connection-file.ts';

interface Services {
  readonly databaseUrl: string;
  readonly kafka: KafkaSettings;
  readonly temporal: TemporalSettings;
}

type ServiceField = keyof Services;

/** `any`: of commands that migrate, and of those that look at it themselves. */
type NeededCatalog = 'fit' | 'any';

const VARIABLES: Readonly<Record<ServiceField, string>> = {
  databaseUrl: 'DATABASE_URL',
  kafka: 'KAFKA_BROKERS',
  temporal: 'TEMPORAL_ADDRESS',
};

/** The services as the environment names them, else as the running `millrace dev` has them; null where neither does. */
export function knownServices(env: Environment): { readonly [Field in ServiceField]: Services[Field] | null } {
  const dev = readConnection(env.dataDir);
  return {
    databaseUrl: env.databaseDirectUrl ?? dev?.databaseUrl ?? null,
    kafka: env.kafka ?? (dev === null ? null : { brokers: dev.kafkaBrokers }),
    temporal: env.temporal ?? dev?.temporal ?? null,
  };
}

/**
 * The services a command needs, each checked to answer. Throws MillraceError `not-connected` where one is not known at all,
 * `service-unreachable` (within 5 s) naming address and variable of each that does not answer, `database-ahead` or `database-behind` for a
 * database that this release cannot run on.
 *
 * @example
 * const { databaseUrl, temporal } = await neededServices(env, ['databaseUrl', 'temporal']);
 */
export async function neededServices<Field extends ServiceField>(
  env: Environment,
  fields: readonly Field[],
  catalog: NeededCatalog = 'fit',
): Promise<Pick<Services, Field>> {
  const known = knownServices(env);
  const missing = fields
    .filter((field) => known[field] === null)
    .map((field) => (field === 'databaseUrl' && env.isPooled ? 'DATABASE_DIRECT_URL' : VARIABLES[field]));
  if (missing.length > 0) {
    throw new MillraceError(
      'not-connected',
      `${missing.join(' and ')} not set, and no "millrace dev" runs on ${env.dataDir}`,
      {
        remedy: `Start "millrace dev" (with the same MILLRACE_DATA_DIR), or set ${missing.join(' and ')}.`,
        httpStatus: 503,
        details: { variables: missing, dataDir: env.dataDir },
      },
    );
  }
  const chosen = Object.fromEntries(fields.map((field) => [field, known[field]])) as Pick<Services, Field>;
  await checkReachable(chosen);
  if (known.databaseUrl !== null && catalog === 'fit' && fields.some((field) => field === 'databaseUrl'))
    await refuseUnfitDatabase(known.databaseUrl, 'needs-all', env.installation);
  return chosen;
}
