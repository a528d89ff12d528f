import type { Command } from 'commander';
import type { CompiledSource, Definitions } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { backfillMonitor, type MonitorBackfill } from '../../engine/monitors/backfill-monitor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withDiffContext } from '../diff-context.ts';
import { count, type Output } from '../output.ts';
import { monitorTimes } from './monitor-times.ts';

interface BackfillOptions extends CommonOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

/** `millrace monitor backfill SOURCE`. */
export function addMonitorBackfill(monitor: Command): void {
  const command = monitor
    .command('backfill')
    .argument('<source>')
    .description(
      'compute the monitors of a source anew, from the files of its history and all that is archived; the result is what the archiver would have made. Safe to repeat.',
    )
    .option('--from <time>', 'ISO time: buckets that end after it (default: all)')
    .option('--to <time>', 'ISO time: buckets that begin before it (default: all)')
    .option('--dry-run', 'only say what would be read');
  withCommonOptions(command).action(async (name: string, options: BackfillOptions) => {
    const { env, output, features } = contextOf(options);
    const times = monitorTimes(options);
    const definitions = await loadDefinitions(features);
    const source = monitoredSource(definitions, name);
    await withDiffContext(env, definitions, async ({ pool, reader, listings, memory, spillDir, clock }) => {
      const done = await backfillMonitor({
        source,
        pool,
        reader,
        listings,
        clock,
        openDuckDb: () => openDuckDb({ memory, tempDir: spillDir }),
        ...times,
        dryRun: options.dryRun,
        onProgress: ({ phase, records, total }) =>
          output.progress(`${phase}: ${count(records)}${total === null ? '' : ` of ${count(total)}`} records`),
      });
      if (output.isJson) output.json(done);
      else print(output, done);
    });
  });
}

/** Throws MillraceError `unknown-source`. */
function monitoredSource({ sources }: Definitions, name: string): CompiledSource {
  const source = sources.get(name);
  if (source !== undefined) return source;
  throw new MillraceError(
    'unknown-source',
    `no source "${name}" in the definitions; known: ${[...sources.keys()].join(', ')}`,
    {
      remedy: 'Correct the name, or name the folder that has it with --features.',
      httpStatus: 404,
    },
  );
}

function print(
  output: Output,
  { source, archivedRecords, files, hasHistory, historyRows, buckets }: MonitorBackfill,
): void {
  const archive = `${count(archivedRecords)} archived records of ${count(files)} ${files === 1 ? 'file' : 'files'}`;
  if (buckets === null) {
    output.line(`${source}: would read ${archive}${hasHistory ? ', and its history' : ''}`);
    return;
  }
  const history = hasHistory ? ` and ${count(historyRows ?? 0)} rows of its history` : '';
  output.line(`${source}: ${count(buckets)} ${buckets === 1 ? 'bucket' : 'buckets'} from ${archive}${history}`);
}
