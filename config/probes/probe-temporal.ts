import { once } from 'node:events';
import { connect } from 'node:net';
import { Connection } from '@temporalio/client';
import { nameTemporalError } from '../temporal-error.ts';
import { type TemporalSettings, temporalConnectionOptions } from '../temporal-settings.ts';

/** Asks for the namespace. Throws what went wrong, unnamed. */
export async function probeTemporal(temporal: TemporalSettings, timeoutMs: number): Promise<void> {
  await openSocket(temporal.address, timeoutMs);
  const connection = await Connection.connect({ ...temporalConnectionOptions(temporal), connectTimeout: timeoutMs });
  try {
    await connection.withDeadline(Date.now() + timeoutMs, () =>
      connection.workflowService.describeNamespace({ namespace: temporal.namespace }),
    );
  } finally {
    connection.close().catch(() => undefined);
  }
}

/** gRPC goes on trying a port that nobody listens on until its time is up, and does not say why it failed. */
async function openSocket(address: string, timeoutMs: number): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    throw new Error(`no answer within ${timeoutMs} ms`, { cause: error });
  } finally {
    socket.destroy();
  }
}

/** What such an error means. */
export function nameFailure(error: unknown): unknown {
  return nameTemporalError(error);
}
