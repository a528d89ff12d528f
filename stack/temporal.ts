import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { awaitReady } from './await-ready.ts';
import { rememberedPort } from './data-dir.ts';
import type { RunningService, StartServiceOptions } from './postgres.ts';
import { registerSearchAttributes } from '../config/search-attributes.ts';
import { startSupervised } from './supervised-process.ts';
import { temporalExecutable } from './temporal-executable.ts';
import type { TemporalSettings } from '../config/temporal-settings.ts';

export interface RunningTemporal extends RunningService {
  readonly settings: TemporalSettings;
}

export interface StartTemporalOptions extends StartServiceOptions {
  readonly port?: number;
  readonly uiPort?: number;
  /** Default `default`. */
  readonly namespace?: string;
}

/**
 * Starts Temporal's development server and Web UI on 127.0.0.1 with its database in `<dataDir>/temporal`, and registers
 * Millrace's search attributes.
 *
 * @throws MillraceError `service-did-not-start`, `no-temporal`, `stack-step-failed`
 * @example
 * const temporal = await startTemporal({ dataDir: '/tmp/a', onProgress: console.error });
 */
export async function startTemporal(options: StartTemporalOptions): Promise<RunningTemporal> {
  const { dataDir, onProgress, signal } = options;
  const variables = options.variables ?? process.env;
  const executable = await temporalExecutable(variables, onProgress, signal);
  const home = join(dataDir, 'temporal');
  mkdirSync(home, { recursive: true });
  const port = await rememberedPort(dataDir, 'temporal', options.port);
  const uiPort = await rememberedPort(dataDir, 'temporal-ui', options.uiPort);
  const namespace = options.namespace ?? 'default';
  const logFile = join(dataDir, 'logs', 'temporal.log');
  const server = await startSupervised({
    name: 'temporal',
    command: executable,
    args: [
      'server',
      'start-dev',
      '--db-filename',
      join(home, 'temporal.db'),
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--ui-port',
      String(uiPort),
      '--namespace',
      namespace,
      '--log-level',
      'error',
    ],
    // The CLI reads TEMPORAL_* for its own options, too: a TLS setting meant for another server must not reach this one.
    env: childEnvironment(variables),
    logFile,
    graceSeconds: 10,
  });
  const settings = { address: `127.0.0.1:${port}`, namespace, uiUrl: `http://127.0.0.1:${uiPort}` };
  const probe = (): Promise<void> => describeNamespace(settings);
  await awaitReady({ service: 'temporal', process: server, logFile, onProgress, signal, probe });
  try {
    await registerSearchAttributes(settings);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    settings,
    identity: server.identity,
    exited: server.exited,
    stop: async () => {
      await server.stop();
    },
  };
}

async function describeNamespace(settings: TemporalSettings): Promise<void> {
  const connection = await Connection.connect({ address: settings.address, connectTimeout: '2s' });
  try {
    await connection.workflowService.describeNamespace({ namespace: settings.namespace });
  } finally {
    await connection.close();
  }
}
