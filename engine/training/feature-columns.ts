import type { CompiledService } from '../define/compiled-view.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import type { SpineFault } from './spine-faults.ts';
import { ROW_COLUMN } from './spine-file.ts';

/** A feature's place in the output. */
export interface FeatureColumn {
  readonly view: string;
  readonly feature: FeatureLayout;
  /** `<view>__<feature>`. */
  readonly column: string;
}

/** The feature columns of a service, in its order. */
export function featureColumns(service: CompiledService): FeatureColumn[] {
  return service.views.flatMap((view) =>
    view.layout.features.map((feature) => ({ view: view.name, feature, column: `${view.name}__${feature.name}` })),
  );
}

/** Output names that would be written twice. Names are compared as Parquet readers do that ignore case. */
export function columnClashes(spineColumns: readonly string[], features: readonly FeatureColumn[]): SpineFault[] {
  const taken = new Map<string, string>();
  const faults: SpineFault[] = [];
  for (const name of spineColumns) {
    taken.set(name.toLowerCase(), `the spine's column "${name}"`);
    if (name.toLowerCase() !== ROW_COLUMN) continue;
    faults.push({
      code: 'feature-column-clash',
      message: `column "${name}" has a reserved name`,
      remedy: 'Rename the column.',
    });
  }
  for (const { view, feature, column } of features) {
    const name = column.toLowerCase();
    const owner = `feature "${feature.name}" of view "${view}"`;
    const other = taken.get(name);
    if (other !== undefined) {
      faults.push({
        code: 'feature-column-clash',
        message: `${other} and ${owner} would both be written as "${column}"`,
        remedy: 'Rename the column of the spine, or the feature.',
      });
    }
    taken.set(name, owner);
  }
  return faults;
}
