import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import pg from 'pg';

/** The modes of libpq. `allow` is taken for `prefer`: encrypted wherever the server offers it. */
const MODES: readonly string[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const NO_TLS = 'N';

/** What of the environment libpq reads where a URL says nothing. */
export type TlsVariables = Readonly<Partial<Record<'PGSSLMODE' | 'PGSSLROOTCERT', string | undefined>>>;

/** What a URL and the environment ask for; null: nothing, and nothing is encrypted. */
function askedMode(
  url: URL,
  variables: TlsVariables,
): { readonly mode: string; readonly rootCert: string | null } | null {
  const mode = url.searchParams.get('sslmode') ?? variables.PGSSLMODE ?? '';
  const rootCert = url.searchParams.get('sslrootcert') ?? variables.PGSSLROOTCERT ?? null;
  // The system's authorities vouch for anybody's server: without its name they say nothing.
  if (rootCert === 'system') return { mode: 'verify-full', rootCert: null };
  return mode === '' ? null : { mode, rootCert };
}

/** Why what is asked for cannot be, and what to do; null where it can. */
export function tlsModeFault(
  url: URL,
  variables: TlsVariables,
): { readonly expected: string; readonly remedy: string } | null {
  const asked = askedMode(url, variables);
  if (asked === null) return null;
  if (!MODES.includes(asked.mode))
    return {
      expected: `sslmode to be one of ${MODES.join(', ')}, received "${asked.mode}"`,
      remedy: 'See docs/deploy.md.',
    };
  if (asked.mode === 'verify-ca' && asked.rootCert === null)
    return {
      expected: 'sslrootcert beside sslmode=verify-ca',
      remedy: 'Name the PEM file of the authority, or let sslmode be verify-full.',
    };
  return null;
}

/**
 * Writes into a URL what makes the driver mean by `sslmode` what libpq means by it: `require` encrypts and asks for no certificate (unless a root is
 * named), `verify-ca` asks who signed it, `verify-full` also whose it is.
 *
 * @returns whether it wrote anything, and whether a server without TLS is spoken to in the clear
 */
export function settleTlsMode(
  url: URL,
  variables: TlsVariables,
): { readonly isChanged: boolean; readonly isOptional: boolean } {
  const asked = askedMode(url, variables);
  const isSaid = url.searchParams.get('sslmode') === 'disable';
  if (asked === null || isSaid) return { isChanged: false, isOptional: false };
  const isOptional = asked.mode === 'prefer' || asked.mode === 'allow';
  url.searchParams.set('sslmode', isOptional ? 'prefer' : asked.mode);
  url.searchParams.set('uselibpqcompat', 'true');
  if (asked.rootCert === null) url.searchParams.delete('sslrootcert');
  else url.searchParams.set('sslrootcert', asked.rootCert);
  return { isChanged: true, isOptional };
}

/** What of the driver's connection a client of ours goes by. */
interface DriverConnection extends EventEmitter {
  readonly stream: Duplex;
  connect(port: number, host: string): void;
  attachListeners(stream: Duplex): void;
}

/** A client that goes on in the clear where the server answers that it has no TLS; the driver gives up there. */
export class OptionalTlsClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const connection = connectionOfClient(this);
    const connect = connection.connect.bind(connection);
    connection.connect = (port, host) => {
      connect(port, host);
      const { stream } = connection;
      const [driver] = stream.listeners('data');
      stream.removeAllListeners('data');
      stream.once('data', (answer: Buffer) => {
        if (answer.toString('latin1') !== NO_TLS) {
          driver?.call(stream, answer);
          return;
        }
        connection.attachListeners(stream);
        // What follows is the same with TLS and without: the start of a session.
        connection.emit('sslconnect');
      });
    };
  }
}

/** The driver's types know less of it than it says. */
function connectionOfClient(client: object): DriverConnection {
  return Reflect.get(client, 'connection') as DriverConnection;
}
