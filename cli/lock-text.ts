import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LOCK_FILE } from '../engine/define/feature-lock.ts';

/** What `plan` and `status` say of a lock that does not do what it is there for. */
export const lockText = {
  none: `no ${LOCK_FILE}: clients check the shape of what they read (type, window, aggregate), not what it means; "millrace lock" writes one`,
  differs: `${LOCK_FILE} is not that of these definitions: "millrace lock" writes it anew`,
} as const;

/** What there is to say without reading the definitions; null where they are not here. */
export function missingLockText(features: string): string | null {
  const folder = resolve(features);
  return existsSync(folder) && !existsSync(join(dirname(folder), LOCK_FILE)) ? lockText.none : null;
}
