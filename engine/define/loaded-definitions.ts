import type { Entity } from './entity.ts';
import type { FeatureService } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import type { AnyLabelSet } from './label-set.ts';
import type { Monitor } from './monitor.ts';
import type { Source } from './source.ts';

export type Definition = Entity | Source | FeatureView | FeatureService | AnyLabelSet | Monitor;

/** A definition as a folder exports it. */
export interface LoadedDefinition {
  readonly value: Definition;
  /** The file and export it was found under; null where it was made in memory. */
  readonly file: string | null;
  readonly exportName: string;
}

export interface LoadedDefinitions {
  /** Absolute path of the folder of definitions. */
  readonly folder: string;
  /** Absolute path that history paths are relative to: the folder that holds `folder`. */
  readonly baseFolder: string;
  readonly definitions: readonly LoadedDefinition[];
  /** All files that were imported, in that order: one without definitions may change something for the others. Absolute paths. */
  readonly files: readonly string[];
}

const kinds = new Set(['entity', 'source', 'feature-view', 'feature-service', 'label-set', 'monitor']);

/** True for what `entity`, `source`, `featureView`, `featureService`, `labelSet` and `monitor` return. */
export function isDefinition(value: unknown): value is Definition {
  return (
    typeof value === 'object' && value !== null && 'kind' in value && 'name' in value && kinds.has(String(value.kind))
  );
}

/**
 * Definitions made in memory, for `compileDefinitions`.
 *
 * @example
 * await compileDefinitions(definitionsInMemory([routeDelays], '/srv/models'));
 */
export function definitionsInMemory(values: readonly Definition[], baseFolder: string): LoadedDefinitions {
  return {
    folder: baseFolder,
    baseFolder,
    files: [],
    definitions: values.map((value) => ({ value, file: null, exportName: value.name })),
  };
}
