import type pg from 'pg';

/** A pool or one of its clients (inside a transaction): whatever a query can be sent to. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
