import { hostname, userInfo } from 'node:os';

/** Who runs this command, as the catalog notes it: `user@host`. */
export function actorName(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without an entry of its own, as in many containers.
    return `uid-${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}
