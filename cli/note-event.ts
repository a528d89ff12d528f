import { appendEvent, type NewEvent } from '../engine/postgres/audit-events.ts';
import { createPool } from '../engine/postgres/pool.ts';
import type { Environment } from '../config/environment.ts';
import { actorName } from './actor.ts';
import type { Output } from './output.ts';
import { knownServices } from './services.ts';

/**
 * Notes what a command has changed elsewhere than in the database. Where no database is known to whoever gave it, that is said: the change stands.
 *
 * @example
 * await noteElsewhere(env, output, { action: 'audit schedule', subject: view, input: { every: '1h' }, result: { made: true } });
 */
export async function noteElsewhere(env: Environment, output: Output, event: Omit<NewEvent, 'actor'>): Promise<void> {
  const { databaseUrl } = knownServices(env);
  if (databaseUrl === null) return output.note(`not noted among the events: no DATABASE_URL is known here`);
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
  try {
    await appendEvent(pool, { actor: actorName(), ...event });
  } finally {
    await pool.end();
  }
}
