import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive, ownIdentity } from '../config/process-identity.ts';

const FILE = 'connection.json';

const schema = z.object({
  process: z.object({ pid: z.number(), startedAt: z.string().nullable() }),
  databaseUrl: z.string(),
  kafkaBrokers: z.array(z.string()),
  temporal: z.object({ address: z.string(), namespace: z.string(), uiUrl: z.string() }),
  apiUrl: z.string(),
  features: z.string(),
});

/** Where a running `millrace dev` has its services: what other commands connect to. */
export type DevConnection = Omit<z.infer<typeof schema>, 'process'>;

/** Leaves the addresses in the data directory, bound to this process. Readable by the user alone: it holds the database's URL. */
export function writeConnection(dataDir: string, connection: DevConnection): void {
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify({ process: ownIdentity(), ...connection }, null, 2)}\n`, {
    mode: 0o600,
  });
  renameSync(`${path}.new`, path);
}

export function removeConnection(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** The addresses of the `dev` that runs on this data directory, or null: what a dead one left does not count. */
export function readConnection(dataDir: string): DevConnection | null {
  const path = join(dataDir, FILE);
  if (!existsSync(path)) return null;
  const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!parsed.success || !isAlive(parsed.data.process)) return null;
  const { process: _, ...connection } = parsed.data;
  return connection;
}
