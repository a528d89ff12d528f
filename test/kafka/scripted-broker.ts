import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

const API_VERSIONS = 18;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const SASL_AUTHENTICATION_FAILED = 58;

/** A broker that offers what it is told to, knows PLAIN and refuses every password. */
export interface ScriptedBroker {
  readonly address: string;
  close(): void;
}

/** @param offers API key to the versions it names, [least, most] */
export async function scriptedBroker(offers: ReadonlyMap<number, readonly [number, number]>): Promise<ScriptedBroker> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let given = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      given = Buffer.concat([given, chunk]);
      while (given.length >= 4 && given.length >= 4 + given.readInt32BE(0)) {
        const length = 4 + given.readInt32BE(0);
        socket.write(answer(given.subarray(4, length), offers));
        given = given.subarray(length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function answer(request: Buffer, offers: ReadonlyMap<number, readonly [number, number]>): Buffer {
  const body = bodyOf(request.readInt16BE(0), offers);
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  // The correlation id.
  request.copy(head, 4, 4, 8);
  return Buffer.concat([head, body]);
}

function bodyOf(api: number, offers: ReadonlyMap<number, readonly [number, number]>): Buffer {
  const ok = int16(0);
  if (api === API_VERSIONS) {
    const named = [...offers].map(([key, [least, most]]) => Buffer.concat([int16(key), int16(least), int16(most)]));
    return Buffer.concat([ok, int32(named.length), ...named, int32(0)]);
  }
  if (api === SASL_HANDSHAKE) return Buffer.concat([ok, int32(1), text('PLAIN')]);
  if (api === SASL_AUTHENTICATE)
    return Buffer.concat([int16(SASL_AUTHENTICATION_FAILED), text('invalid credentials'), int32(0)]);
  throw new Error(`this broker is not told what to answer to API ${api}`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([int16(value.length), Buffer.from(value)]);
}
