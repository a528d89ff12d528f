import { hostname, userInfo } from 'node:os';

/** Who runs this command, as the catalog notes it: what MILLRACE_ACTOR says, else `user@host`. */
export function actorName(variables: NodeJS.ProcessEnv = process.env): string {
  const named = variables['MILLRACE_ACTOR']?.trim();
  if (named !== undefined && named !== '') return named;
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A user id without an entry of its own, as in many containers.
    return `uid-${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}
