import type pg from 'pg';
import { type InstallationNames, installationNames } from '../installation/installation-names.ts';
import { settleNames } from '../installation/open-names.ts';
import type { Queryable } from './queryable.ts';

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
  if (text === query.text) return query;
  return 'submit' in query ? Object.assign(query, { text }) : { ...query, text };
}
