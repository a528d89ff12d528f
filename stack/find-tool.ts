import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of an executable on `PATH`, or null. */
export function findOnPath(name: string, variables: NodeJS.ProcessEnv): string | null {
  for (const folder of (variables['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, name);
    if (folder !== '' && isExecutableFile(candidate)) return candidate;
  }
  return null;
}

/** `$JAVA_HOME/bin/java`, else `java` on `PATH`, else null. */
export function findJava(variables: NodeJS.ProcessEnv): string | null {
  const home = variables['JAVA_HOME'];
  if (home && isExecutableFile(join(home, 'bin', 'java'))) return join(home, 'bin', 'java');
  return findOnPath('java', variables);
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
