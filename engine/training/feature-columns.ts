import type { CompiledService, ServiceBlock } from '../define/compiled-view.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { derivedLayout, ownToLog } from '../served/service-to-log.ts';
import { blockText } from '../define/service-blocks.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { TrainingOptions } from './training-types.ts';
import type { SpineFault } from './spine-faults.ts';

/** A feature's place in the output. */
export interface FeatureColumn {
  readonly block: ServiceBlock;
  readonly feature: Pick<FeatureLayout, 'name' | 'result'>;
  /** False for what a served read says beside its features: `seq`, `as_of`, what a service was asked with. */
  readonly isFeature: boolean;
  /** `<view or role>__<feature>`; `request__<field>`. */
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

/** Whether rows have what the service derives: where they name requests, it is computed of nothing. */
export function derivesRows({ service }: Pick<TrainingOptions, 'service'>, requestColumn: string | null): boolean {
  return requestColumn === null && (service.derived ?? []).length > 0;
}

const own = new WeakMap<CompiledService, ServiceBlock>();

/** What a service derives, as if it were one more of its blocks: under its own name, of no entity. */
export function derivedBlock(service: CompiledService): ServiceBlock {
  const found = own.get(service);
  if (found !== undefined) return found;
  const [first] = service.blocks;
  invariant(first !== undefined, `service "${service.name}" has no views`);
  const features = (service.derived ?? []).map(derivedLayout);
  const layout = { ...first.view.layout, view: service.name, keys: [], features };
  const view = { ...first.view, name: service.name, layout };
  const block: ServiceBlock = { name: service.name, view, columns: [], isService: true };
  own.set(service, block);
  return block;
}

/** The columns of what a service derives: `<service>__<feature>`. */
export function derivedColumns(service: CompiledService): FeatureColumn[] {
  const block = derivedBlock(service);
  return block.view.layout.features.map((feature) => ({
    block,
    feature,
    isFeature: true,
    column: `${block.name}__${feature.name}`,
  }));
}

/** What a service was asked with, by the log: `request__<field>`. They follow what it derived. */
export function requestColumns(service: CompiledService): FeatureColumn[] {
  const block = derivedBlock(service);
  return (ownToLog(service)?.request ?? []).map(({ name, type }) => ({
    block,
    feature: { name, result: type },
    isFeature: false,
    column: `request__${name}`,
  }));
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
      : `${block.isService === true ? `the field "${feature.name}" of requests` : `the ${feature.name} of the reads`} of ${blockText(block)}`;
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
