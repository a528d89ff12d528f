import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where downloads and builds are kept between runs: `MILLRACE_CACHE_DIR`, else `millrace` in the user's cache folder. */
export function cacheDirectory(variables: NodeJS.ProcessEnv = process.env): string {
  if (variables['MILLRACE_CACHE_DIR']) return resolve(variables['MILLRACE_CACHE_DIR']);
  return join(variables['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'millrace');
}
