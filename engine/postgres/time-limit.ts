import type pg from 'pg';

/**
 * Runs statements that take as long as the table is large: the session's limit is for those that should be quick. A client whose work fails
 * is not used again (`withClient`), so its limit needs no setting back.
 */
export async function withoutTimeLimit<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('SET statement_timeout = 0');
  const result = await work();
  await client.query('RESET statement_timeout');
  return result;
}
