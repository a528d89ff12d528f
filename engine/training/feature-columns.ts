import type { CompiledService, ServiceBlock } from '../define/compiled-view.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { blockText } from '../define/service-blocks.ts';
import type { SpineFault } from './spine-faults.ts';

/** A feature's place in the output. */
export interface FeatureColumn {
  readonly block: ServiceBlock;
  readonly feature: Pick<FeatureLayout, 'name' | 'result'>;
  /** False for what a served read says beside its features: `seq`, `as_of`. */
  readonly isFeature: boolean;
  /** `<view or role>__<feature>`. */
  readonly column: string;
}

/** What a logged read says beside its features. */
const READ_COLUMNS: readonly FeatureColumn['feature'][] = [
  { name: 'seq', result: { kind: 'int' } },
  { name: 'as_of', result: { kind: 'timestamp' } },
];

/** The columns a service adds to a spine, in its order; with those of the read itself where requests are asked for. */
export function featureColumns(service: CompiledService, ofRequests = false): FeatureColumn[] {
  return service.blocks.flatMap((block) => {
    const columnOf = (feature: FeatureColumn['feature'], isFeature: boolean): FeatureColumn => ({
      block,
      feature,
      isFeature,
      column: `${block.name}__${feature.name}`,
    });
    const features = block.view.layout.features.map((feature) => columnOf(feature, true));
    return ofRequests ? [...features, ...READ_COLUMNS.map((column) => columnOf(column, false))] : features;
  });
}

/** Output names that would be written twice. Names are compared as Parquet readers do that ignore case. */
export function columnClashes(spineColumns: readonly string[], features: readonly FeatureColumn[]): SpineFault[] {
  const taken = new Map<string, string>();
  const faults: SpineFault[] = [];
  for (const name of spineColumns) taken.set(name.toLowerCase(), `the spine's column "${name}"`);
  for (const { block, feature, isFeature, column } of features) {
    const name = column.toLowerCase();
    const owner = isFeature
      ? `feature "${feature.name}" of ${blockText(block)}`
      : `the ${feature.name} of the reads of ${blockText(block)}`;
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
