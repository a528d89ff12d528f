import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants, createServer, type ServerHttp2Stream } from 'node:http2';

/** A Temporal that does not let anybody call some of its methods. */
export interface ClosedTemporal {
  /** `host:port` */
  readonly address: string;
  /** Paths of the calls that were refused, in order. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

const PERMISSION_DENIED = '7';
const {
  HTTP2_HEADER_STATUS,
  HTTP2_HEADER_CONTENT_TYPE,
  HTTP2_HEADER_PATH,
  HTTP2_METHOD_POST,
  HTTP2_HEADER_METHOD,
  NGHTTP2_CANCEL,
} = constants;

/**
 * Stands in front of the real server and passes everything on, byte for byte, but calls whose path begins with `closed`: those are answered with
 * PERMISSION_DENIED, as Temporal's own authorizer does.
 */
export async function startClosedTemporal(
  behind: string,
  closed = '/temporal.api.operatorservice.',
): Promise<ClosedTemporal> {
  const upstream = connect(`http://${behind}`);
  upstream.on('error', () => undefined);
  const refused: string[] = [];
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const path = String(headers[HTTP2_HEADER_PATH]);
    if (!path.startsWith(closed)) return passOn(upstream, stream, headers);
    refused.push(path);
    stream.respond(
      {
        [HTTP2_HEADER_STATUS]: 200,
        [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        'grpc-status': PERMISSION_DENIED,
        'grpc-message': 'Request unauthorized.',
      },
      { endStream: true },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('expected a port');
  return {
    address: `127.0.0.1:${at.port}`,
    refused,
    close: async () => {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      const closing = once(server, 'close');
      server.close();
      await closing;
    },
  };
}

function passOn(upstream: ClientHttp2Session, stream: ServerHttp2Stream, headers: object): void {
  const call = upstream.request({ ...headers, [HTTP2_HEADER_METHOD]: HTTP2_METHOD_POST });
  let trailers: object = {};
  call.on('error', () => stream.close(NGHTTP2_CANCEL));
  call.on('trailers', (received) => (trailers = received));
  call.on('response', (received, flags) => {
    // An answer without a body has its status among the headers.
    const isOver = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond({ ...received }, isOver ? { endStream: true } : { waitForTrailers: true });
    if (!isOver) call.pipe(stream);
  });
  stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
  stream.on('close', () => call.close(NGHTTP2_CANCEL));
  stream.pipe(call);
}
