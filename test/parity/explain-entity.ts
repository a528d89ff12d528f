import { codeOf } from '../../engine/define/known-code.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import type { ExplainOptions, Explanation } from '../../engine/parity/explanation.ts';
import type { ParityWorld } from './parity-world.ts';

/** The explanation of the world's view, by its code, of one entity. */
export function explainEntity(
  run: ParityWorld,
  entity: string,
  more: Partial<ExplainOptions> = {},
): Promise<Explanation> {
  return explainFeatures({
    view: run.view.name,
    code: codeOf([run.view]),
    pool: run.pool,
    reader: run.reader,
    archiveDir: null,
    key: [entity],
    spillDir: run.folder,
    clock: run.clock,
    ...more,
  });
}
