import type { Command } from 'commander';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { recordSchema } from '../../engine/define/record-schema.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';

/** `millrace schema SOURCE`: what its records are, for producers in other languages. */
export function addSchemaCommand(program: Command): void {
  const command = program
    .command('schema')
    .argument('<source>', 'a source, decisions or outcomes of the definitions')
    .description(
      'what a record of a source has to be, as a JSON Schema for producers in other languages; no service is needed',
    );
  withCommonOptions(command).action(async (name: string, options: CommonOptions) => {
    const { output, features } = contextOf(options);
    const { sources } = await loadDefinitions(features);
    const source = sources.get(name);
    if (source === undefined)
      throw new MillraceError('unknown-source', `no source "${name}" in ${features}`, {
        remedy: `Name one of: ${[...sources.keys()].toSorted().join(', ')}.`,
      });
    // For machines in any case.
    output.json(recordSchema(source));
  });
}
