import type { ServiceCheck, ServiceChecks } from './service-checks.ts';

/** Where a worker process is in its life. */
export type WorkerStage = 'starting' | 'running' | 'stopping';

/** What `/healthz` tells. */
export interface Health {
  readonly status: 'ok' | 'dead';
  readonly stage: WorkerStage;
  /** Of each worker, by its role: the SDK's `RUNNING`, `DRAINING`, `FAILED` … */
  readonly workers: Readonly<Record<string, string>>;
}

/** What `/readyz` tells. */
export interface WorkerReadiness extends Omit<Health, 'status'> {
  readonly status: 'ok' | 'not-ready';
  /** How the services are; null where that is no matter, as the process is not running. */
  readonly checks: readonly ServiceCheck[] | null;
}

/** Of the SDK's worker. */
interface Stateful {
  getState(): string;
}

const ENDING: ReadonlySet<string> = new Set(['STOPPING', 'DRAINING', 'DRAINED', 'STOPPED']);

/** How a worker process is, for whoever looks after it. */
export class WorkerHealth {
  #workers: Readonly<Record<string, Stateful>> = {};
  #checks: ServiceChecks | null = null;

  /** The process has begun to work. */
  running(workers: Readonly<Record<string, Stateful>>, checks: ServiceChecks): void {
    this.#workers = workers;
    this.#checks = checks;
  }

  /** Whether it is alive. One of whose workers has failed is not: it does half of its work, or none. */
  health(): Health {
    const workers = Object.fromEntries(
      Object.entries(this.#workers).map(([role, worker]) => [role, worker.getState()]),
    );
    const states = Object.values(workers);
    const stage = states.some((state) => ENDING.has(state)) ? 'stopping' : states.length === 0 ? 'starting' : 'running';
    return { status: states.includes('FAILED') ? 'dead' : 'ok', stage, workers };
  }

  /** Whether it can work: it runs, and all that it needs answers. */
  async readiness(): Promise<WorkerReadiness> {
    const { stage, workers } = this.health();
    const checks = stage === 'running' && this.#checks !== null ? await this.#checks.look() : null;
    const isReady = Object.values(workers).every((state) => state === 'RUNNING') && checks?.every(({ ok }) => ok);
    return { status: isReady === true ? 'ok' : 'not-ready', stage, workers, checks };
  }
}
