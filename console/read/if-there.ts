import { sqlState } from '../../engine/postgres/postgres-error.ts';

const UNDEFINED_TABLE = '42P01';

/** What a table has; nothing where it is not there yet: a reader is upgraded before the workers that migrate. */
export async function ifThere<Row>(found: Promise<readonly Row[]>): Promise<readonly Row[]> {
  try {
    return await found;
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}
