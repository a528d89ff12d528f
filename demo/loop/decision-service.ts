import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { internalBug } from '../../engine/errors/millrace-error.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { exampleEnvironment } from './example-project.ts';

/** A flight that is to be decided on, as the service takes it. */
export interface FlightRequest {
  readonly flight_id: string;
  readonly origin: string;
  readonly destination: string;
  /** ISO, UTC. */
  readonly scheduled: string;
  /** Miles. */
  readonly distance: number;
}

/** What it answered. */
export interface FlightDecision {
  readonly flight_id: string;
  readonly decision_id: string;
  readonly action: string;
  /** That the flight is late; null without features. */
  readonly probability: number | null;
  readonly version: number;
}

/** The example's service as a process of its own, asked over HTTP. */
export class DecisionService {
  readonly #child: ChildProcess;
  readonly #url: string;
  #said = '';

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  /** Starts it; resolves once it holds a model and listens. */
  static async start(options: {
    readonly folder: string;
    readonly databaseUrl: string;
    readonly brokers: readonly string[];
    readonly signal: AbortSignal;
  }): Promise<DecisionService> {
    const child = fork(join(options.folder, 'serve.mjs'), [], {
      cwd: options.folder,
      env: exampleEnvironment({
        DATABASE_URL: options.databaseUrl,
        KAFKA_BROKERS: options.brokers.join(','),
        KAFKAJS_NO_PARTITIONER_WARNING: '1',
        REPLAY: 'on',
        PORT: '0',
      }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      signal: options.signal,
    });
    child.on('error', () => undefined);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said = `${said}${text}`.slice(-4_000);
      });
    }
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message: { readonly port: number }) => resolve(message.port));
      child.once('exit', (code) => reject(internalBug(`the example's service ended with code ${code}: ${said}`)));
    });
    const service = new DecisionService(child, `http://127.0.0.1:${port}`);
    child.once('exit', () => {
      service.#said = said;
    });
    return service;
  }

  /** Decides on flights; for the service it is `nowUs` then. */
  async decide(nowUs: number, flights: readonly FlightRequest[]): Promise<FlightDecision[]> {
    if (this.#child.exitCode !== null) throw internalBug(`the example's service is gone: ${this.#said}`);
    const response = await fetch(`${this.#url}/decide`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-now': formatDateTime(nowUs) },
      body: JSON.stringify({ flights }),
    });
    if (!response.ok) throw internalBug(`the example's service answered ${response.status}: ${await response.text()}`);
    return ((await response.json()) as { readonly decisions: FlightDecision[] }).decisions;
  }

  /** Ends it, once what it decided is on the log. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await exited;
  }
}
