import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import type { KafkaSettings } from './environment.ts';
import type { TemporalSettings } from './temporal-settings.ts';

/** The services to check; those left out are not. */
export interface ServiceAddresses {
  readonly databaseUrl?: string | null;
  readonly kafka?: KafkaSettings | null;
  readonly temporal?: TemporalSettings | null;
}

/** A service that did not answer. */
export interface UnreachableService {
  readonly service: 'postgres' | 'kafka' | 'temporal';
  readonly address: string;
  readonly variable: string;
  readonly reason: string;
  /** What to do where it answers, and refuses; null where it does not answer. */
  readonly remedy: string | null;
}

/**
 * Does one real operation on each service, all at once.
 *
 * @param timeoutMs for each of them; the whole takes hardly longer, even against an address that swallows every packet
 * @throws MillraceError `service-unreachable` (503, retryable) naming every service that did not answer (`details.services`)
 * @example
 * await checkReachable({ databaseUrl, kafka, temporal });
 */
export async function checkReachable(addresses: ServiceAddresses, timeoutMs = 4000): Promise<void> {
  const services = await unreachableServices(addresses, timeoutMs);
  if (services.length > 0) throw unreachable(services);
}

/** Does one real operation on each service, all at once; those that did not answer, or refused. Never throws. */
export async function unreachableServices(
  addresses: ServiceAddresses,
  timeoutMs: number,
): Promise<UnreachableService[]> {
  const { databaseUrl, kafka, temporal } = addresses;
  const checks: Promise<UnreachableService | null>[] = [];
  // Each client is loaded by the check that needs it: a command asks for one or two, and they take longer to load than to answer.
  if (databaseUrl) {
    const subject = { service: 'postgres', address: addressOf(databaseUrl), variable: 'DATABASE_URL' } as const;
    const load = async (): Promise<Probe> => {
      const { probePostgres, nameFailure } = await import('./probes/probe-postgres.ts');
      return {
        run: () => probePostgres(databaseUrl, timeoutMs),
        name: (error) => nameFailure(error, subject.address),
      };
    };
    checks.push(attempt(subject, timeoutMs, load));
  }
  if (kafka) {
    const subject = { service: 'kafka', address: kafka.brokers.join(','), variable: 'KAFKA_BROKERS' } as const;
    const load = async (): Promise<Probe> => {
      const { probeKafka, nameFailure } = await import('./probes/probe-kafka.ts');
      return { run: () => probeKafka(kafka, timeoutMs), name: (error) => nameFailure(error, kafka) };
    };
    checks.push(attempt(subject, timeoutMs, load));
  }
  if (temporal) {
    const subject = { service: 'temporal', address: temporal.address, variable: 'TEMPORAL_ADDRESS' } as const;
    const load = async (): Promise<Probe> => {
      const { probeTemporal, nameFailure } = await import('./probes/probe-temporal.ts');
      return { run: () => probeTemporal(temporal, timeoutMs), name: nameFailure };
    };
    checks.push(attempt(subject, timeoutMs, load));
  }
  return (await Promise.all(checks)).filter((fault) => fault !== null);
}

function unreachable(services: readonly UnreachableService[]): MillraceError {
  const lines = services.map(
    (fault) => `  ${fault.service} at ${fault.address} (set by ${fault.variable}): ${fault.reason}`,
  );
  const refused = services.flatMap(({ remedy }) => remedy ?? []);
  const variables = services.filter(({ remedy }) => remedy === null).map(({ variable }) => variable);
  return new MillraceError('service-unreachable', `cannot reach:\n${lines.join('\n')}`, {
    remedy: [...(variables.length === 0 ? [] : [startOrCorrect(variables.join(', '))]), ...refused].join('\n'),
    retryable: true,
    httpStatus: 503,
    details: { services },
  });
}

function startOrCorrect(variables: string): string {
  return `Start what is down, or correct ${variables}; unset, they let \`millrace dev\` start the services itself.`;
}

type Subject = Omit<UnreachableService, 'reason' | 'remedy'>;

/** One real operation on a service, and what an error of it means. */
interface Probe {
  readonly run: () => Promise<void>;
  readonly name: (error: unknown) => unknown;
}

async function attempt(
  subject: Subject,
  timeoutMs: number,
  load: () => Promise<Probe>,
): Promise<UnreachableService | null> {
  const probe = await load();
  const limit = Promise.withResolvers<never>();
  // The clients have time limits of their own, per step; this one bounds their sum.
  const timer = setTimeout(() => limit.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs + 500);
  try {
    await Promise.race([probe.run(), limit.promise]);
    return null;
  } catch (error) {
    const named = probe.name(error);
    const remedy = isMillraceError(named) && !named.waits ? named.remedy : null;
    return { ...subject, reason: reasonOf(error), remedy };
  } finally {
    clearTimeout(timer);
  }
}

function addressOf(databaseUrl: string): string {
  const { hostname, port, pathname } = new URL(databaseUrl);
  return `${hostname}:${port || '5432'}${pathname}`;
}

function reasonOf(error: unknown): string {
  // A host with several addresses fails with one error for each, and no message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  if (!(error instanceof Error)) return String(error);
  const details = 'details' in error && typeof error.details === 'string' ? error.details : '';
  return details || error.message || error.name;
}
