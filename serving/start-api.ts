import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { pino } from 'pino';
import type pg from 'pg';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type Clock, systemClock } from '../engine/values/clock.ts';
import { createOnlineStore } from '../engine/online/online-store.ts';
import type { CorruptRead } from '../engine/online/view-read.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { createServingLog, type ServingLogSettings } from '../engine/served/create-serving-log.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import { corruptLogOnStderr } from './corrupt-log.ts';
import { createApi } from './create-api.ts';
import type { ServiceViews } from './read-request.ts';

/** Requests under way get this long once a stop was asked for. */
const DRAIN_MS = 10_000;

export type StartApiOptions = ({ readonly databaseUrl: string } | { readonly pool: pg.Pool }) & {
  /** Where the feature services that requests may name come from. */
  readonly definitions?: { readonly services: ReadonlyMap<string, ServiceViews> } | undefined;
  /** Default 0: a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly onBug?: ((error: unknown) => void) | undefined;
  /** Told of each corrupt state that a read met. Default: they are logged, each once. */
  readonly onCorrupt?: ((found: CorruptRead) => void) | undefined;
  /** Logs what is served, sampled by entity; a log made elsewhere stays its owner's to close. Default: nothing is logged. */
  readonly servingLog?: ServingLogSettings | ServingLog | undefined;
  /** Makes request ids. Default: random UUIDs. */
  readonly newId?: (() => string) | undefined;
};

/** The running API. */
export interface RunningApi {
  readonly url: string;
  /** Stops listening, lets requests under way finish, sends what the serving log holds, and closes what was opened. */
  close(): Promise<void>;
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new MillraceError('address-in-use', `the API cannot listen on ${host}:${port}: ${cause.message}`, {
          remedy: 'Give another port (MILLRACE_API_PORT, or --api-port of `millrace dev`), or 0 for a free one.',
          httpStatus: 500,
          cause,
        }),
      );
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * Starts the HTTP API. Throws MillraceError `address-in-use`, and `invalid-sample` or `invalid-topic` for settings of a serving log that cannot be. A database that is away is no reason not to start: `/readyz` tells.
 *
 * @example
 * const api = await startApi({ databaseUrl, definitions, port: 8080 });
 * await api.close();
 */
export async function startApi(options: StartApiOptions): Promise<RunningApi> {
  const clock = options.clock ?? systemClock;
  const newId = options.newId ?? randomUUID;
  const { servingLog: given } = options;
  const servingLog =
    given === undefined || given instanceof ServingLog
      ? given
      : createServingLog({ clock, newId, onDrop: dropLog(), ...given });
  const own = 'databaseUrl' in options;
  const pool = own ? createPool(options.databaseUrl, { max: 10, applicationName: 'millrace-api' }) : options.pool;
  const app = createApi({
    store: createOnlineStore({ pool, clock, onCorrupt: options.onCorrupt ?? corruptLogOnStderr() }),
    pool,
    clock,
    services: options.definitions?.services ?? new Map<string, ServiceViews>(),
    servingLog,
    newId,
    onBug: options.onBug ?? bugLog(),
  });
  const answer = getRequestListener(app.fetch);
  const server = createServer((request, response) => void answer(request, response));
  const host = options.host ?? '127.0.0.1';
  try {
    const { port } = await listen(server, options.port ?? 0, host);
    const close = async (): Promise<void> => {
      await drain(server);
      if (servingLog !== given) await servingLog?.close();
      if (own) await pool.end();
    };
    let closing: Promise<void> | null = null;
    return {
      url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
      close: () => (closing ??= close()),
    };
  } catch (error) {
    if (servingLog !== given) await servingLog?.close();
    if (own) await pool.end();
    throw error;
  }
}

function bugLog(): (error: unknown) => void {
  const log = pino({ name: 'millrace-api' }, pino.destination(2));
  return (error) => log.error({ err: error }, 'a request failed for a reason of our own');
}

function dropLog(): ServingLogSettings['onDrop'] {
  const log = pino({ name: 'millrace-api' }, pino.destination(2));
  return (reason, reads, cause) => log.warn({ reason, reads, err: cause }, 'reads are missing from the serving log');
}
