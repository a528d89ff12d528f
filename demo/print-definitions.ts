import { count, type Output } from '../cli/output.ts';
import { SAMPLE_ROWS, withHistoryInspector } from '../cli/inspect-histories.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import { describePlan } from '../engine/define/plan.ts';

/** Loads the demo's definitions, and prints their plan as one table. */
export async function printDefinitions(folder: string, spillDir: string, output: Output): Promise<Definitions> {
  const definitions = await withHistoryInspector(SAMPLE_ROWS, spillDir, (inspectHistory) =>
    loadDefinitions(folder, { inspectHistory }),
  );
  const rows = describePlan(definitions).flatMap(({ view, entity, features }) =>
    features.map(({ name, aggregate, input, window, hop, type }) => [
      view,
      entity,
      name,
      `${aggregate}(${input ?? ''})`,
      window,
      hop,
      type,
    ]),
  );
  output.table(['view', 'entity', 'feature', 'aggregate', 'window', 'hop', 'type'], rows);
  output.note(`plan: ${count(definitions.views.size)} views, ${count(rows.length)} features, no faults`);
  return definitions;
}
