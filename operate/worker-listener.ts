import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { WorkerHealth } from './worker-health.ts';

export interface WorkerListenerOptions {
  /** `host:port`; port 0: a free one. */
  readonly address: string;
  /** Where the SDK tells its metrics, and ours with them. */
  readonly metricsUrl: string;
  readonly health: WorkerHealth;
}

const METRICS_WITHIN_MS = 5_000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * The HTTP listener of a worker: `/healthz` (alive), `/readyz` (can work, or what is in its way), `/metrics` (Prometheus). Open to whoever
 * reaches its address, so it tells no secrets.
 *
 * @example
 * const listener = await WorkerListener.open({ address: '0.0.0.0:9464', metricsUrl, health });
 * await listener.close();
 */
export class WorkerListener {
  readonly #server: Server;
  readonly #options: WorkerListenerOptions;

  private constructor(options: WorkerListenerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.requestTimeout = 10_000;
  }

  /** Throws MillraceError `address-in-use`. */
  static async open(options: WorkerListenerOptions): Promise<WorkerListener> {
    const listener = new WorkerListener(options);
    const at = options.address.lastIndexOf(':');
    const host = options.address.slice(0, at).replaceAll(/^\[|\]$/g, '');
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', (cause) => reject(cannotListen(options.address, cause)));
      listener.#server.listen(Number(options.address.slice(at + 1)), host, resolve);
    });
    return listener;
  }

  /** The port it listens at. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Resolves when it listens no more. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body } = await this.#answerTo(request);
    response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answerTo({ method, url = '/' }: IncomingMessage): Promise<Answer> {
    const path = url.replace(/\?.*$/, '');
    if (method !== 'GET' && method !== 'HEAD')
      return json(405, { code: 'not-found', message: `${method} is not taken` });
    if (path === '/healthz') return this.#health();
    if (path === '/readyz') return await this.#readiness();
    if (path === '/metrics') return await this.#metrics();
    return json(404, { code: 'not-found', message: `nothing at ${path}; there are /healthz, /readyz and /metrics` });
  }

  #health(): Answer {
    const health = this.#options.health.health();
    return json(health.status === 'ok' ? 200 : 503, health);
  }

  async #readiness(): Promise<Answer> {
    const readiness = await this.#options.health.readiness();
    return json(readiness.status === 'ok' ? 200 : 503, readiness);
  }

  async #metrics(): Promise<Answer> {
    const { metricsUrl } = this.#options;
    try {
      const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(METRICS_WITHIN_MS) });
      const type = response.headers.get('content-type') ?? 'text/plain; version=0.0.4';
      return { status: response.status, type, body: await response.text() };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return json(503, { code: 'service-unreachable', message: `the SDK's metrics cannot be read: ${why}` });
    }
  }
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

function cannotListen(address: string, cause: Error): MillraceError {
  return new MillraceError('address-in-use', `the worker cannot listen on ${address}: ${cause.message}`, {
    remedy: 'Give another address in MILLRACE_WORKER_METRICS, or unset it: the worker then listens nowhere.',
    httpStatus: 500,
    cause,
  });
}
