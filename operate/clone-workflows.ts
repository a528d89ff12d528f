import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';
import { cacheDirectory } from '../engine/installation/cache-directory.ts';
import { keptBuild } from '../engine/installation/kept-build.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * The workflows of a clone as one text, as Temporal runs them: two seconds of a processor, but for sources of which it was made before.
 *
 * @param logger of the bundler, which says much
 */
export async function cloneWorkflows(logger: Logger): Promise<string> {
  return await keptBuild({
    folder: join(cacheDirectory(), 'workflows'),
    // Of all that is not theirs, workflows import names alone: the layer rules hold it. The lockfile says which Temporal they are bundled with.
    inputs: ['workflows', 'engine/installation', 'package-lock.json'].map((path) => join(ROOT, path)),
    build: async () => {
      const workflowsPath = join(ROOT, 'workflows', 'index.ts');
      const { code } = await bundleWorkflowCode({ workflowsPath, logger });
      return code;
    },
  });
}
