import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { chosenVersions } from '../../engine/versions/choose-versions.ts';
import { diffPlot } from '../../engine/versions/diff-plot.ts';
import { versionSides } from '../../engine/versions/diff-sides.ts';
import { compareVersions, DIFF_ENTITIES } from '../../engine/versions/diff-versions.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withDiffContext } from '../diff-context.ts';
import { timeOf } from '../entity-arguments.ts';
import { count } from '../output.ts';
import { printDiff } from '../print-diff.ts';
import { checkWritable } from '../writable-file.ts';

interface DiffCommandOptions extends CommonOptions {
  readonly versions?: readonly [before: number, after: number] | undefined;
  readonly entities: number;
  readonly at?: string | undefined;
  readonly plot?: string | undefined;
}

/** `millrace diff VIEW [--versions 1,2]`. */
export function addDiffCommand(program: Command): void {
  const command = program
    .command('diff')
    .argument('<view>')
    .description('what two versions of a view say of the same entities, cell by cell: both replayed over one log')
    .option('--versions <a,b>', 'which two (default: live and candidate, else previous and live)', twoVersions)
    .option(
      '--entities <n>',
      'all entities up to so many, else so many by the hash of their keys',
      wholeNumber,
      DIFF_ENTITIES,
    )
    .option('--at <time>', 'ISO time the values are read at (default: just after the newest event)')
    .option('--plot <file>', 'also write a plot per feature, as SVG');
  withCommonOptions(command).action(async (view: string, options: DiffCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const atUs = options.at === undefined ? undefined : timeOf(options.at);
    const { plot } = options;
    if (plot !== undefined) await checkWritable(plot);
    await withDiffContext(env, await loadDefinitions(features), async (context) => {
      const { pool, reader } = context;
      const [before, after] = options.versions ?? [];
      const chosen =
        before === undefined || after === undefined
          ? chosenVersions(view, await versions(pool, view))
          : { before, after };
      const { diff, tallies } = await compareVersions({
        ...(await versionSides(context, { view, ...chosen })),
        entities: options.entities,
        ...(atUs === undefined ? {} : { atUs }),
        reader,
        listings: context.listings,
        spillDir: context.spillDir,
        memory: context.memory,
        onProgress: ({ phase, done, total }) =>
          output.progress(
            `${phase === 'replay' ? 'reading the log' : 'comparing'}: ${count(done)}${total === null ? '' : ` of ${count(total)}`} ${phase === 'replay' ? 'records' : 'entities'}`,
          ),
      });
      if (plot !== undefined) await writeFile(plot, await diffPlot(diff, tallies));
      if (output.isJson) output.json(diff);
      else printDiff(output, diff);
      if (plot !== undefined) output.note(`plot: ${plot}`);
    });
  });
}

function twoVersions(text: string): readonly [number, number] {
  const numbers = text.split(',').map(Number);
  const [before, after] = numbers;
  const isSound = numbers.length === 2 && numbers.every((number) => Number.isSafeInteger(number) && number > 0);
  if (!isSound || before === undefined || after === undefined || before === after)
    throw new InvalidArgumentError('expected two numbers of versions, e.g. 1,2');
  return [before, after];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number, 1 or more');
  return value;
}
