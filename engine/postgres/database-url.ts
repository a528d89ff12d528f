import { settleTlsMode, tlsModeFault, type TlsVariables } from './tls-mode.ts';

/**
 * What our parsers and digests of values rest on. A role's or a database's own settings give way to these; all others stand, and so does what the
 * URL's `options` set beside them.
 */
const OURS = [
  'TimeZone=UTC',
  'DateStyle=ISO',
  'IntervalStyle=postgres',
  'extra_float_digits=1',
  'bytea_output=hex',
  'standard_conforming_strings=on',
  'default_transaction_isolation=read\\ committed',
  'client_min_messages=warning',
];

/** What of a URL's parameters is not for the driver to take as it is. */
const TAKEN = ['options', 'client_encoding'];

/** Why a text is not a URL of a database, and what to do; null where it is one. Never has the password in it. */
export function databaseUrlFault(
  url: string,
  variables: TlsVariables = process.env,
): { readonly expected: string; readonly remedy: string } | null {
  const hosts = severalHosts(url);
  if (hosts !== null)
    return {
      expected: `one host, and it names several (${hosts})`,
      remedy: 'Name the primary alone, or a proxy or a name that follows it from server to server.',
    };
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return tlsModeFault(new URL(url), variables);
  return {
    expected: 'a URL postgres://user:password@host:port/database',
    remedy: 'Set DATABASE_URL, e.g. postgres://postgres@127.0.0.1:5432/millrace.',
  };
}

/**
 * A URL as it may be shown: without the password, wherever it stands.
 *
 * @example
 * shownDatabaseUrl('postgres://me:secret@host/features'); // 'postgres://me@host/features'
 */
export function shownDatabaseUrl(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  for (const name of new Set(shown.searchParams.keys()))
    if (name.toLowerCase().includes('password')) shown.searchParams.delete(name);
  return shown.href;
}

/** `a:1,b:2`, as libpq knows it and the driver does not; null where there is one host. */
function severalHosts(url: string): string | null {
  const [, authority = '', query = ''] = /^postgres(?:ql)?:\/\/([^/?#]*)[^?#]*\??([^#]*)/.exec(url) ?? [];
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (hosts.includes(',')) return hosts;
  const asked = new URLSearchParams(query).get('host');
  return asked?.includes(',') === true ? asked : null;
}

/**
 * A URL as the driver is to have it, and the session's options: the URL's own (or PGOPTIONS), and then ours, which the server takes last.
 *
 * `isTlsOptional`: the client is to be an `OptionalTlsClient`.
 *
 * @param pgOptions the environment's PGOPTIONS, which the URL's options replace, as they do for libpq
 */
export function connectionOf(
  url: string,
  pgOptions: string | undefined,
  variables: TlsVariables = process.env,
): { readonly connectionString: string; readonly options: string; readonly isTlsOptional: boolean } {
  const parsed = new URL(url);
  const own = parsed.searchParams.get('options') ?? pgOptions ?? '';
  // Rewritten only where it must be: a password may be spelt in ways that URL spells otherwise.
  const tls = settleTlsMode(parsed, variables);
  const isRewritten = tls.isChanged || TAKEN.some((name) => parsed.searchParams.has(name));
  for (const name of TAKEN) parsed.searchParams.delete(name);
  const ours = OURS.map((setting) => `-c ${setting}`).join(' ');
  return {
    connectionString: isRewritten ? parsed.href : url,
    options: `${own} ${ours}`.trim(),
    isTlsOptional: tls.isOptional,
  };
}
