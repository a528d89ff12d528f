import { createHash } from 'node:crypto';
import type pg from 'pg';
import { DEFAULT_INSTALLATION, type InstallationNames, installationNames } from '../installation/installation-names.ts';
import { settleNames } from '../installation/open-names.ts';
import type { Queryable } from './queryable.ts';

const STATEMENT_NAME_MOST = 63;
const INSTALLATIONS = new WeakMap<object, InstallationNames>();

/** The installation of a pool that `createPool` made, or of one of its clients; of any other the default one. */
export function installationOf(on: Queryable): InstallationNames {
  return INSTALLATIONS.get(on) ?? installationNames();
}

/** Lets every session of a pool put the installation's names into what it sends: one place, so that no statement can miss it. */
export function settleQueries(pool: pg.Pool, names: InstallationNames): void {
  INSTALLATIONS.set(pool, names);
  pool.on('connect', (client) => {
    INSTALLATIONS.set(client, names);
    const send: (...given: unknown[]) => unknown = client.query.bind(client);
    client.query = ((first: unknown, ...rest: unknown[]) =>
      send(settled(first, names), ...rest)) as typeof client.query;
  });
}

/** A pool as reads need it: made elsewhere (by an application), its sessions stay as they are, and what is asked through this one is settled. */
export function settledPool(pool: pg.Pool, names: InstallationNames): pg.Pool {
  const send: (...given: unknown[]) => unknown = pool.query.bind(pool);
  const query = (first: unknown, ...rest: unknown[]): unknown => send(settled(first, names), ...rest);
  const own = Object.create(pool, { query: { value: query } }) as pg.Pool;
  INSTALLATIONS.set(own, names);
  return own;
}

/** What `query` is given first: a text, a description with one, or a command that sends itself (COPY), which is its sender's alone. */
function settled(query: unknown, names: InstallationNames): unknown {
  if (typeof query === 'string') return settleNames(query, names);
  if (typeof query !== 'object' || query === null || !('text' in query) || typeof query.text !== 'string') return query;
  const text = settleNames(query.text, names);
  if ('submit' in query) return Object.assign(query, { text });
  if (!('name' in query) || typeof query.name !== 'string') return text === query.text ? query : { ...query, text };
  return { ...query, text, name: statementName(query.name, names) };
}

/** Sessions may be shared by installations, and of a longer name Postgres sees the beginning alone. */
function statementName(name: string, { name: installation }: InstallationNames): string {
  const full = installation === DEFAULT_INSTALLATION ? name : `${name}/${installation}`;
  if (full.length <= STATEMENT_NAME_MOST) return full;
  return `${full.slice(0, 30)}-${createHash('sha256').update(full).digest('hex').slice(0, 32)}`;
}
