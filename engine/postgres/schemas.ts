import { OPEN_NAMES } from '../installation/open-names.ts';
import { SqlText } from './sql.ts';

const open = (name: string): SqlText => new SqlText([name], []);

/** Schemas and other names of the installation whose session sends the text: `sqlText` takes them as they are, plain texts take their `text`. */
export const CATALOG = open(OPEN_NAMES.catalog);
export const STATE = open(OPEN_NAMES.state);
export const INNER_SQL = open(OPEN_NAMES.sql);
export const SURFACE = open(OPEN_NAMES.surface);
export const READER = open(OPEN_NAMES.reader);
export const LOCKS = open(OPEN_NAMES.locks);
