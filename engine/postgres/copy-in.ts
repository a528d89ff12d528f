import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';

/**
 * Sends rows by binary COPY, in pieces as they come.
 *
 * @param target quoted table and columns, e.g. `"s"."t" (a, b)`
 * @param pieces the whole stream: header, rows, trailer (`binary-writer.ts`)
 */
export async function copyIn(client: pg.ClientBase, target: string, pieces: AsyncIterable<Buffer>): Promise<void> {
  // Loaded by who loads: those who only read states are none the slower for it.
  const { from: copyFrom } = await import('pg-copy-streams');
  const copy = client.query(copyFrom(`COPY ${target} FROM STDIN (FORMAT binary)`));
  await pipeline(Readable.from(pieces), copy);
}
