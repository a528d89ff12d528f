import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { MOST_RECORDS } from '../../engine/parity/logged-service.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { chosenVersions } from '../../engine/versions/choose-versions.ts';
import { diffPlot } from '../../engine/versions/diff-plot.ts';
import { versionSides } from '../../engine/versions/diff-sides.ts';
import { compareVersions, DIFF_ENTITIES } from '../../engine/versions/diff-versions.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { type DiffContext, withDiffContext } from '../diff-context.ts';
import { isService, serviceDiff } from '../diff-service.ts';
import { timeOf } from '../entity-arguments.ts';
import { count, type Output } from '../output.ts';
import { printDiff } from '../print-diff.ts';
import { printServiceDiff } from '../print-service-diff.ts';
import { checkWritable } from '../writable-file.ts';

interface DiffCommandOptions extends CommonOptions {
  readonly versions?: readonly [before: number, after: number] | undefined;
  readonly entities?: number | undefined;
  readonly at?: string | undefined;
  readonly plot?: string | undefined;
  readonly requests?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const OF_VIEWS = ['entities', 'at', 'plot'] as const;
const OF_SERVICES = ['requests', 'since', 'until'] as const;

/** `millrace diff VIEW|SERVICE [--versions 1,2]`. */
export function addDiffCommand(program: Command): void {
  const command = program
    .command('diff')
    .argument('<name>', 'of a view, or of a service that derives features')
    .description(
      'what two versions of a view say of the same entities, cell by cell: both replayed over one log; or what two versions of a service derive of the same logged requests',
    )
    .option(
      '--versions <a,b>',
      'which two (default: of a view live and candidate, else previous and live; of a service the served one and the definition at hand, else previous and served)',
      twoVersions,
    )
    .option(
      '--entities <n>',
      `of a view: all entities up to so many, else so many by the hash of their keys (default: ${DIFF_ENTITIES})`,
      wholeNumber,
    )
    .option('--at <time>', 'of a view: ISO time the values are read at (default: just after the newest event)')
    .option('--plot <file>', 'of a view: also write a plot per feature, as SVG')
    .option(
      '--requests <n>',
      `of a service: so many entities of requests at most, else a sample by the hash of the ids of requests (default: ${MOST_RECORDS})`,
      wholeNumber,
    )
    .option('--since <time>', 'of a service: requests served at or after this ISO time')
    .option('--until <time>', 'of a service: requests served before this ISO time');
  withCommonOptions(command).action(async (name: string, options: DiffCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const [atUs, sinceUs, untilUs] = [options.at, options.since, options.until].map((time, index) =>
      time === undefined ? undefined : timeOf(time, ['--at', '--since', '--until'][index]),
    );
    if (options.plot !== undefined) await checkWritable(options.plot);
    const definitions = await loadDefinitions(features);
    await withDiffContext(env, definitions, async (context) => {
      const ofService = await isService(context, name, definitions);
      refuseOthers(name, ofService, options);
      if (!ofService) return await diffView(context, output, name, options, atUs);
      const { requests } = options;
      const asked = { versions: options.versions, requests, sinceUs, untilUs };
      const diff = await serviceDiff(context, { env, definitions, output }, name, asked);
      if (output.isJson) output.json(diff);
      else printServiceDiff(output, diff);
    });
  });
}

async function diffView(
  context: DiffContext,
  output: Output,
  view: string,
  { versions: named, entities, plot }: DiffCommandOptions,
  atUs: number | undefined,
): Promise<void> {
  const { pool, reader } = context;
  const [before, after] = named ?? [];
  const chosen =
    before === undefined || after === undefined ? chosenVersions(view, await versions(pool, view)) : { before, after };
  const { diff, tallies } = await compareVersions({
    ...(await versionSides(context, { view, ...chosen })),
    entities,
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
}

/** What is said of views says nothing of a service, and the other way round. */
function refuseOthers(name: string, ofService: boolean, options: DiffCommandOptions): void {
  const given = (ofService ? OF_VIEWS : OF_SERVICES).filter((option) => options[option] !== undefined);
  if (given.length === 0) return;
  const [is, other] = ofService ? ['service', 'view'] : ['view', 'service'];
  throw new MillraceError(
    'bad-options',
    `"${name}" is a ${is}: ${given.map((option) => `--${option}`).join(' and ')} ${given.length === 1 ? 'is' : 'are'} of a ${other}`,
    {
      remedy: `Leave out what is of a ${other}: "millrace diff --help" says of each what it is of.`,
      httpStatus: 400,
      details: { options: given },
    },
  );
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
