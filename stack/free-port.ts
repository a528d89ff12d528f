import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/**
 * Below every common ephemeral range (32768 and up on Linux), so that no outgoing connection takes a port between the
 * moment it is found free and the moment its server binds it, nor between two runs.
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;

const handedOut = new Set<number>();

/** True if a server can now listen on `port` of 127.0.0.1. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * A port of 127.0.0.1 that is free and that this process has not handed out before; `preferred` when it is free.
 *
 * @throws MillraceError `no-free-port`
 * @example
 * const port = await freePort(remembered);
 */
export async function freePort(preferred?: number, isFree = isPortFree): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) {
    handedOut.add(preferred);
    return preferred;
  }
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isFree(port)) return port;
  }
  throw new MillraceError('no-free-port', `no free port of 127.0.0.1 in ${LOWEST}..${HIGHEST} after 1000 attempts`, {
    remedy:
      'Stop programs that listen on these ports, or use services that already run (DATABASE_URL, KAFKA_BROKERS, TEMPORAL_ADDRESS).',
    retryable: true,
    httpStatus: 500,
  });
}
