import type pg from 'pg';
import { type ServiceAddresses, unreachableServices } from '../config/reachability.ts';
import { aheadOf, pendingMigrations } from '../engine/postgres/migrate.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { poolAddress } from '../engine/postgres/pool.ts';
import type { Clock } from '../engine/values/clock.ts';

/** One of the things a worker cannot do without. */
export interface ServiceCheck {
  readonly service: 'postgres' | 'kafka' | 'temporal' | 'schema';
  readonly ok: boolean;
  /** Why not; null where it is. */
  readonly reason: string | null;
}

export interface ServiceChecksOptions {
  /** The services to ask; one left out is not. */
  readonly addresses: ServiceAddresses;
  /** Asked which migrations it lacks. */
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** How old an answer may be, in milliseconds. */
  readonly keepMs: number;
  /** How long each service has, in milliseconds. */
  readonly timeoutMs: number;
}

/** Looks at what a worker needs, for whoever asks at the same time once. */
export class ServiceChecks {
  readonly #options: ServiceChecksOptions;
  #latest: { readonly atMs: number; readonly checks: Promise<readonly ServiceCheck[]> } | null = null;

  constructor(options: ServiceChecksOptions) {
    this.#options = options;
  }

  /** Resolves to how the services are, at most `keepMs` old. Never throws. */
  look(): Promise<readonly ServiceCheck[]> {
    const { clock, keepMs } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#latest === null || nowMs - this.#latest.atMs >= keepMs)
      this.#latest = { atMs: nowMs, checks: this.#look() };
    return this.#latest.checks;
  }

  async #look(): Promise<readonly ServiceCheck[]> {
    const { addresses, timeoutMs } = this.#options;
    const faults = await unreachableServices(addresses, timeoutMs);
    const asked = [
      ...(addresses.databaseUrl == null ? [] : ['postgres' as const]),
      ...(addresses.kafka == null ? [] : ['kafka' as const]),
      ...(addresses.temporal == null ? [] : ['temporal' as const]),
    ];
    const checks = asked.map((service) => {
      const fault = faults.find((one) => one.service === service);
      return {
        service,
        ok: fault === undefined,
        reason: fault === undefined ? null : `${fault.address}: ${fault.reason}`,
      };
    });
    return [...checks, await this.#schema()];
  }

  async #schema(): Promise<ServiceCheck> {
    const { pool } = this.#options;
    try {
      const ahead = await aheadOf(pool);
      const pending = await pendingMigrations(pool);
      const behind = pending.length === 0 ? null : `the database lacks ${pending.join(', ')}: run "millrace migrate"`;
      const reason = ahead?.message ?? behind;
      return { service: 'schema', ok: reason === null, reason };
    } catch (error) {
      const named = namePostgresError(error, poolAddress(pool));
      return { service: 'schema', ok: false, reason: named instanceof Error ? named.message : String(named) };
    }
  }
}
