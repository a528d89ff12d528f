import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type DataDir, openDataDir } from './data-dir.ts';
import type { Environment, KafkaSettings } from '../config/environment.ts';
import { startKafka } from './kafka.ts';
import { type RunningService, type StartServiceOptions, startPostgres } from './postgres.ts';
import { checkTools } from './preflight.ts';
import type { OnProgress } from './progress.ts';
import { checkReachable } from '../config/reachability.ts';
import { registerSearchAttributes } from '../config/search-attributes.ts';
import { startTemporal } from './temporal.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';

export type ServiceName = 'postgres' | 'kafka' | 'temporal';

interface AddressesByService {
  readonly postgres: { readonly databaseUrl: string };
  readonly kafka: { readonly kafka: KafkaSettings };
  readonly temporal: { readonly temporal: TemporalSettings };
}

interface StackControl {
  /** Process ids of what was started here, for fault tests and status lines. */
  readonly pids: Readonly<Partial<Record<ServiceName, number>>>;
  /** Stops what was started here, all at once, and frees the data directory. Safe to call twice. */
  stop(): Promise<void>;
}

/** The addresses of the services `S`. */
export type StackOf<S extends ServiceName> = StackControl &
  ('postgres' extends S ? AddressesByService['postgres'] : unknown) &
  ('kafka' extends S ? AddressesByService['kafka'] : unknown) &
  ('temporal' extends S ? AddressesByService['temporal'] : unknown);

/** All three services. */
export type LocalStack = StackOf<ServiceName>;

export interface StartStackOptions<S extends ServiceName = ServiceName> {
  readonly env: Environment;
  /** Default: the environment's. */
  readonly dataDir?: string;
  /** Deletes the data directory's content first. */
  readonly reset?: boolean;
  /** Default: all. */
  readonly only?: readonly S[];
  readonly onProgress: OnProgress;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
  /** A service that was started here has ended though nobody asked it to. Default: a line of progress. */
  readonly onServiceLost?: (error: MillraceError) => void;
}

const ALL: readonly ServiceName[] = ['postgres', 'kafka', 'temporal'];

/**
 * Connects to the services the environment names and starts the others on this machine, all at once. If any of that fails,
 * what was started is stopped. What was started ends with this process, however that ends.
 *
 * @throws MillraceError `stack-already-running`, `service-unreachable`, `missing-tools`, `service-did-not-start`, `not-a-data-directory`
 * @example
 * const stack = await startStack({ env: readEnvironment(), onProgress: console.error });
 */
export function startStack<S extends ServiceName = ServiceName>(options: StartStackOptions<S>): Promise<StackOf<S>>;
// Each service in S is either started or named by the environment: the type above says which addresses that makes.
export async function startStack(options: StartStackOptions): Promise<StackControl> {
  const { env, onProgress } = options;
  const wanted = new Set<ServiceName>(options.only ?? ALL);
  const external = {
    databaseUrl: wanted.has('postgres') ? env.databaseUrl : null,
    kafka: wanted.has('kafka') ? env.kafka : null,
    temporal: wanted.has('temporal') ? env.temporal : null,
  };
  const local = new Set<ServiceName>(wanted);
  if (external.databaseUrl) local.delete('postgres');
  if (external.kafka) local.delete('kafka');
  if (external.temporal) local.delete('temporal');

  await Promise.all([checkReachable(external), checkTools(local, env.variables, onProgress)]);
  if (external.temporal) await registerSearchAttributes(external.temporal);
  const dataDir =
    local.size > 0 ? await openDataDir(options.dataDir ?? env.dataDir, options.reset ?? false, onProgress) : null;
  const running = new RunningStack(dataDir, options.onServiceLost ?? ((error) => onProgress(error.message)));
  const started = dataDir ? await startLocal(local, dataDir, running, options) : {};
  const stack = {
    databaseUrl: started.databaseUrl ?? external.databaseUrl,
    kafka: started.kafka ?? external.kafka,
    temporal: started.temporal ?? external.temporal,
    pids: running.pids(),
    stop: () => running.stop(),
  };
  return stack;
}

interface StartedAddresses {
  databaseUrl?: string;
  kafka?: KafkaSettings;
  temporal?: TemporalSettings;
}

async function startLocal(
  local: ReadonlySet<ServiceName>,
  dataDir: DataDir,
  running: RunningStack,
  options: StartStackOptions,
): Promise<StartedAddresses> {
  const { env, onProgress } = options;
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  const common: StartServiceOptions = { dataDir: dataDir.path, onProgress, variables: env.variables, signal };
  const addresses: StartedAddresses = {};
  const bring = async <R extends RunningService>(
    name: ServiceName,
    start: () => Promise<R>,
    note: (service: R) => string,
  ) => {
    if (!local.has(name)) return;
    const begun = performance.now();
    const service = await start();
    running.add(name, service);
    onProgress(`${name}: ready at ${note(service)} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  };
  const starts = [
    bring(
      'postgres',
      () => startPostgres(common),
      (service) => {
        addresses.databaseUrl = service.url;
        return `127.0.0.1:${service.port}`;
      },
    ),
    bring(
      'kafka',
      () => startKafka(common),
      (service) => {
        addresses.kafka = { brokers: service.brokers };
        return service.brokers.join(',');
      },
    ),
    bring(
      'temporal',
      () => startTemporal({ ...common, namespace: env.temporalNamespace }),
      (service) => {
        addresses.temporal = service.settings;
        return `${service.settings.address}, Web UI ${service.settings.uiUrl}`;
      },
    ),
  ];
  try {
    await Promise.all(starts);
    return addresses;
  } catch (error) {
    failed.abort(error);
    await Promise.allSettled(starts);
    await running.stop();
    throw error;
  }
}

/** The services that were started here. */
class RunningStack {
  readonly #dataDir: DataDir | null;
  readonly #onServiceLost: (error: MillraceError) => void;
  readonly #services = new Map<ServiceName, RunningService>();
  #stopping: Promise<void> | null = null;

  constructor(dataDir: DataDir | null, onServiceLost: (error: MillraceError) => void) {
    this.#dataDir = dataDir;
    this.#onServiceLost = onServiceLost;
  }

  add(name: ServiceName, service: RunningService): void {
    this.#services.set(name, service);
    this.#dataDir?.record(name, service.identity);
    void service.exited.then((code) => {
      if (this.#stopping === null) this.#onServiceLost(serviceLost(name, code, this.#dataDir?.path ?? ''));
    });
  }

  pids(): Partial<Record<ServiceName, number>> {
    return Object.fromEntries([...this.#services].map(([name, service]) => [name, service.identity.pid]));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
    this.#dataDir?.release();
  }
}

function serviceLost(name: ServiceName, code: number, dataDir: string): MillraceError {
  return new MillraceError(
    'service-lost',
    `${name} has ended with exit code ${code} while it was in use (logs: ${dataDir}/logs)`,
    {
      remedy: 'Read its log, then start again: the data is kept.',
      retryable: true,
      httpStatus: 503,
      details: { service: name, code },
    },
  );
}
