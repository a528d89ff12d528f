import { type RawBuilder, sql } from 'kysely';
import { OPEN_NAMES } from '../engine/installation/open-names.ts';

const open = (name: string): RawBuilder<unknown> => sql.raw(name);

/** Names of the installation that is migrated, for `sql`; within `sql.raw` they are `OPEN_NAMES`. */
export const CATALOG = open(OPEN_NAMES.catalog);
export const STATE = open(OPEN_NAMES.state);
export const INNER_SQL = open(OPEN_NAMES.sql);
export const SURFACE = open(OPEN_NAMES.surface);
export const READER = open(OPEN_NAMES.reader);
