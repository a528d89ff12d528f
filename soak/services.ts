import { join } from 'node:path';
import { internalBug, type MillraceError } from '../engine/errors/millrace-error.ts';
import { type DataDir, openDataDir, removeDataDir } from '../stack/data-dir.ts';
import { startKafka } from '../stack/kafka.ts';
import { type RunningService, startPostgres } from '../stack/postgres.ts';
import { startTemporal } from '../stack/temporal.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';

/** How a service is taken down: asked to end, or ended where it stands. */
export type Ending = 'stopped' | 'killed';

type Restartable = 'kafka' | 'postgres';

export interface ServicesOptions {
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  /** A service has ended though nobody asked it to. */
  readonly onLost: (error: MillraceError) => void;
  readonly signal: AbortSignal;
}

/**
 * Postgres, Kafka and Temporal in a data directory of their own, the first two of which can be taken down and brought back while
 * everything else goes on. What was started ends with this process, however that ends.
 */
export class SoakServices {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly temporal: TemporalSettings;
  readonly #options: ServicesOptions;
  readonly #dataDir: DataDir;
  readonly #running: Map<string, RunningService>;
  #restarting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  private constructor(
    options: ServicesOptions,
    dataDir: DataDir,
    running: Map<string, RunningService>,
    addresses: Pick<SoakServices, 'databaseUrl' | 'brokers' | 'temporal'>,
  ) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#running = running;
    this.databaseUrl = addresses.databaseUrl;
    this.brokers = addresses.brokers;
    this.temporal = addresses.temporal;
    for (const [name, service] of running) this.#watch(name, service);
  }

  /** Starts all three, and stops what was started when one of them fails. */
  static async start(options: ServicesOptions): Promise<SoakServices> {
    const { folder, onProgress, signal } = options;
    const dataDir = await openDataDir(join(folder, 'stack'), false, onProgress);
    const common = { dataDir: dataDir.path, onProgress, signal };
    const running = new Map<string, RunningService>();
    const noted = async <Service extends RunningService>(name: string, start: Promise<Service>): Promise<Service> => {
      const service = await start;
      running.set(name, service);
      dataDir.record(name, service.identity);
      return service;
    };
    const starts = [
      noted('postgres', startPostgres(common)),
      noted('kafka', startKafka(common)),
      noted('temporal', startTemporal(common)),
    ] as const;
    try {
      const [postgres, kafka, temporal] = await Promise.all(starts);
      return new SoakServices(options, dataDir, running, {
        databaseUrl: postgres.url,
        brokers: kafka.brokers,
        temporal: temporal.settings,
      });
    } catch (error) {
      await Promise.allSettled(starts);
      await Promise.all([...running.values()].map((service) => service.stop()));
      dataDir.release();
      throw error;
    }
  }

  /** Where the logs of services and worker are. */
  get logDir(): string {
    return join(this.#dataDir.path, 'logs');
  }

  /** Takes a service down and brings it back on the same port with the same data. One at a time. */
  restart(name: Restartable, ending: Ending): Promise<void> {
    const restarting = this.#restart(name, ending);
    this.#restarting = restarting.catch(() => undefined);
    return restarting;
  }

  async #restart(name: Restartable, ending: Ending): Promise<void> {
    const service = this.#running.get(name);
    if (service === undefined) throw internalBug(`${name} does not run`);
    this.#running.delete(name);
    if (ending === 'killed') {
      // Postgres has a signal for it: no checkpoint, no goodbye, and recovery from the log at the next start.
      process.kill(service.identity.pid, name === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
      await service.exited;
    } else await service.stop();
    if (this.#stopping !== null) return;
    const { onProgress } = this.#options;
    const common = { dataDir: this.#dataDir.path, onProgress, signal: this.#options.signal };
    const next = await (name === 'kafka' ? startKafka(common) : startPostgres(common));
    this.#running.set(name, next);
    this.#dataDir.record(name, next.identity);
    this.#watch(name, next);
  }

  /** Stops everything and deletes its data. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#restarting;
      await Promise.all([...this.#running.values()].map((service) => service.stop()));
      this.#dataDir.release();
      removeDataDir(this.#dataDir.path);
    })();
    return this.#stopping;
  }

  #watch(name: string, service: RunningService): void {
    void service.exited.then((code) => {
      if (this.#stopping === null && this.#running.get(name) === service)
        this.#options.onLost(internalBug(`${name} ended with exit code ${code} though nobody asked it to`));
    });
  }
}
