import type { ChildProcess } from 'node:child_process';
import { internalBug } from '../engine/errors/millrace-error.ts';
import { forkProgram } from './forked-program.ts';

/** What the producer is started with. */
export interface ProducerConfig {
  readonly brokers: readonly string[];
  readonly flightsTopic: string;
  readonly paymentsTopic: string;
  readonly flightsPath: string;
  readonly liveSeconds: number;
  readonly paymentsPerSecond: number;
  readonly seed: number;
}

/** What it says every now and then. */
export interface ProducerReport {
  readonly flights: number;
  readonly payments: number;
  /** Sends that failed and were done again. */
  readonly retries: number;
  readonly done: boolean;
}

/** The producer and what it has sent. */
export class ProducerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #latest: ProducerReport = { flights: 0, payments: 0, retries: 0, done: false };

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once('exit', resolve));
    child.on('message', (report: ProducerReport) => {
      this.#latest = report;
    });
  }

  /** Resolves when it is connected and has begun. */
  static async start(config: ProducerConfig): Promise<ProducerProcess> {
    const child = forkProgram(new URL('./producer.ts', import.meta.url), config);
    const producer = new ProducerProcess(child);
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(internalBug(`the soak's producer ended with code ${code}`)));
    });
    return producer;
  }

  get latest(): ProducerReport {
    return this.#latest;
  }

  /** Lets it finish what it is sending. Safe to call twice. */
  async stop(): Promise<ProducerReport> {
    if (this.#child.connected) this.#child.send({ stop: true });
    const code = await this.#exited;
    if (code !== 0) throw internalBug(`the soak's producer ended with code ${code}`);
    return this.#latest;
  }

  /** Ends it at once, whatever it is at. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
