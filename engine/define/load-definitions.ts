import { resolve } from 'node:path';
import { type CompileOptions, compileDefinitions } from './compile-definitions.ts';
import type { Definitions } from './compiled-view.ts';
import { askElsewhere } from './elsewhere.ts';
import { importDefinitions } from './import-definitions.ts';

/**
 * Reads the definitions of a folder and makes them ready to run: its `index.ts`, or all its `*.ts` where there is none. `millrace` and
 * `zod` resolve to the running installation, wherever the folder is. Each call reads the files anew. A second process tries them in
 * another time zone, locale and environment: what comes out differently there is refused.
 *
 * @throws MillraceError `definitions-not-found`, `definition-unreadable` naming the files, `definitions-not-probed` (retryable), or
 * `invalid-definitions` with every fault.
 * @example
 * const definitions = await loadDefinitions('features');
 * definitions.views.get('route_delays')?.fingerprint;
 */
export async function loadDefinitions(folder: string, options: CompileOptions = {}): Promise<Definitions> {
  const elsewhere = askElsewhere(resolve(folder));
  try {
    const loaded = await importDefinitions(folder);
    return await compileDefinitions(loaded, { ...options, elsewhere: elsewhere.report });
  } finally {
    elsewhere.stop();
  }
}
