import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { registerSearchAttributes } from '../../config/search-attributes.ts';
import { freePort } from '../../stack/free-port.ts';
import { checkReachable, type ServiceAddresses, type UnreachableService } from '../../config/reachability.ts';

// The time limit of these tests is the promise they check: an answer within ten seconds.
const LIMIT = { timeout: 10_000 };

async function unreachable(addresses: ServiceAddresses): Promise<readonly UnreachableService[]> {
  const error: unknown = await checkReachable(addresses).then(
    () => null,
    (fault: unknown) => fault,
  );
  if (!isMillraceError(error)) throw new Error(`expected a MillraceError, received ${String(error)}`);
  expect(error).toMatchObject({ code: 'service-unreachable', httpStatus: 503, retryable: true });
  const services = error.details['services'] as readonly UnreachableService[];
  for (const { address, variable } of services) {
    expect(error.message).toContain(address);
    expect(error.message).toContain(variable);
  }
  return services;
}

function allAt(port: number): ServiceAddresses {
  return {
    databaseUrl: `postgres://postgres@127.0.0.1:${port}/millrace`,
    kafka: { brokers: [`127.0.0.1:${port}`, `localhost:${port}`] },
    temporal: { address: `127.0.0.1:${port}`, namespace: 'default', uiUrl: '' },
  };
}

describe('checkReachable', () => {
  const sockets = new Set<Socket>();
  let silent: Server;
  beforeAll(async () => {
    // Accepts and never answers: what a client sees of a host that swallows every packet, but for the handshake.
    silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('is silent when everything answers', async () => {
    const { databaseUrl, kafkaBrokers, temporalAddress, temporalNamespace, temporalUiUrl } = inject('stack');
    const temporal = { address: temporalAddress, namespace: temporalNamespace, uiUrl: temporalUiUrl };
    const check = checkReachable({ databaseUrl, kafka: { brokers: kafkaBrokers }, temporal });
    await expect(check).resolves.toBeUndefined();
  });

  it('says in whose way the search attributes of a namespace are', async () => {
    const { temporalAddress: address } = inject('stack');
    const nowhere = { address, namespace: `nowhere-${randomUUID()}`, uiUrl: '' };
    await expect(registerSearchAttributes(nowhere)).rejects.toMatchObject({
      code: 'search-attributes-not-registered',
      remedy: expect.stringContaining(`--namespace ${nowhere.namespace} --name FeatureView --type Keyword`),
    });
    const taken = { address, namespace: `taken-${randomUUID()}`, uiUrl: '' };
    const connection = await Connection.connect({ address });
    try {
      await connection.workflowService.registerNamespace({
        namespace: taken.namespace,
        workflowExecutionRetentionPeriod: msToTs('1 day'),
      });
      const add = (): Promise<unknown> =>
        connection.operatorService.addSearchAttributes({
          namespace: taken.namespace,
          searchAttributes: { FeatureView: 3 },
        });
      // A new namespace is known to every part of the server a little later.
      await vi.waitFor(add, { timeout: 30_000, interval: 200 });
      await vi.waitFor(
        () => expect(registerSearchAttributes(taken)).rejects.toMatchObject({ code: 'search-attribute-conflict' }),
        { timeout: 30_000, interval: 200 },
      );
    } finally {
      await connection.close();
    }
  });

  it('names every service behind closed ports', LIMIT, async () => {
    const services = await unreachable(allAt(await freePort()));
    expect(services.map((fault) => [fault.service, fault.variable])).toEqual([
      ['postgres', 'DATABASE_URL'],
      ['kafka', 'KAFKA_BROKERS'],
      ['temporal', 'TEMPORAL_ADDRESS'],
    ]);
  });

  it('does not wait for servers that never answer', LIMIT, async () => {
    const address = silent.address();
    if (address === null || typeof address === 'string') throw new Error('expected a port');
    expect((await unreachable(allAt(address.port))).map((fault) => fault.service)).toEqual([
      'postgres',
      'kafka',
      'temporal',
    ]);
  });

  it('does not wait for addresses that swallow every packet', LIMIT, async () => {
    // 192.0.2.0/24 is reserved for documentation: nobody answers there.
    const services = await unreachable({
      databaseUrl: 'postgres://postgres@192.0.2.1:5432/millrace',
      kafka: { brokers: ['192.0.2.1:9092'] },
      temporal: { address: '192.0.2.1:7233', namespace: 'default', uiUrl: '' },
    });
    expect(services).toHaveLength(3);
  });

  it('names a Temporal namespace that does not exist', LIMIT, async () => {
    const { temporalAddress, temporalUiUrl } = inject('stack');
    const [fault] = await unreachable({
      temporal: { address: temporalAddress, namespace: 'absent', uiUrl: temporalUiUrl },
    });
    expect(fault?.reason).toContain('absent');
    expect(fault?.remedy).toContain('the namespace and your rights in it');
  });

  it('says what to do of a service that answers, and refuses', LIMIT, async () => {
    const url = new URL(inject('stack').databaseUrl);
    url.pathname = '/absent';
    const error: unknown = await checkReachable({ databaseUrl: url.href }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ remedy: 'Check user, password, database and privileges in DATABASE_URL.' });
  });

  it('finds the broker that answers in a list where others do not', LIMIT, async () => {
    const brokers = [`127.0.0.1:${await freePort()}`, ...inject('stack').kafkaBrokers];
    await expect(checkReachable({ kafka: { brokers } })).resolves.toBeUndefined();
  });
});
