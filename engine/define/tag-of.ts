import { createHash } from 'node:crypto';
import { canonicalJson } from '../values/canonical-json.ts';

/** 16 hex digits that stand for a value of JSON, whatever the order of its objects' members. */
export function tagOf(value: object): string {
  return createHash('sha256').update(canonicalJson(value), 'utf8').digest('hex').slice(0, 16);
}
