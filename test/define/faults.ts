import { type CompileOptions, compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { DefinitionFault } from '../../engine/define/definition-fault.ts';
import { type Definition, definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';

/** The faults of definitions made in memory; empty where there are none. */
export async function faultsOf(
  values: readonly Definition[],
  options: CompileOptions = {},
): Promise<readonly DefinitionFault[]> {
  try {
    await compileDefinitions(definitionsInMemory(values, '/srv/models'), options);
    return [];
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'invalid-definitions') throw error;
    return error.details['faults'] as readonly DefinitionFault[];
  }
}

/** Faults as short lines: `kind name path: code`. */
export function briefly(faults: readonly DefinitionFault[]): string[] {
  return faults.map(({ kind, definition, path, code }) => `${kind} ${definition} ${path}: ${code}`);
}
