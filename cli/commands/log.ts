import { type Command, InvalidArgumentError } from 'commander';
import { type ArchiveStatus, archiveStatus, type PartitionArchive } from '../../engine/archive/archive-status.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { SERVED_SOURCE, servedSource } from '../../engine/served/served-source.ts';
import { topicOf } from '../../engine/topic/topic-of.ts';
import type { Environment } from '../../config/environment.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { type ListedCommit, newestCommits } from '../newest-commits.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';

interface LogOptions extends CommonOptions {
  readonly commits?: string | undefined;
  readonly limit: number;
}

/** `millrace log SOURCE`, `millrace log --commits VIEW`. */
export function addLogCommand(program: Command): void {
  const command = program
    .command('log')
    .argument('[source]', 'a source with a topic, or millrace_served: the log of what is served')
    .description('what of a topic is archived: ranges, rows, holes and lag of each partition')
    .option('--commits <view>', "instead: a view's newest commits, with the offsets each applied")
    .option('--limit <n>', 'commits to list', limitOf, 20);
  withCommonOptions(command).action(async (source: string | undefined, options: LogOptions) => {
    const { env, output, features } = contextOf(options);
    const { commits, limit } = options;
    if (commits !== undefined) {
      const { databaseUrl } = await neededServices(env, ['databaseUrl']);
      const listed = await newestCommits(databaseUrl, env.installation, commits, limit);
      if (output.isJson) output.json(listed);
      else printCommits(output, commits, listed);
      return;
    }
    if (source === undefined) {
      throw new MillraceError('bad-options', 'neither a source nor --commits VIEW is given', {
        remedy: 'Name a source, e.g. "millrace log flights"; "millrace plan" lists them.',
      });
    }
    const compiled = await sourceNamed(source, features, env);
    const { databaseUrl, kafka } = await neededServices(env, ['databaseUrl', 'kafka']);
    const pool = createPool(databaseUrl, { max: 2, applicationName: 'millrace-log', installation: env.installation });
    const reader = createKafkaLogReader({ ...kafka, clientId: 'millrace-log' });
    try {
      const status = await archiveStatus({ pool, source: compiled, reader });
      if (output.isJson) output.json(status);
      else print(output, status);
    } finally {
      await Promise.all([pool.end(), reader.close()]);
    }
  });
}

async function sourceNamed(name: string, features: string, env: Environment): Promise<CompiledSource> {
  if (name === SERVED_SOURCE) return servedSource(env.servedTopic);
  const { sources } = await loadDefinitions(features);
  const source = sources.get(name);
  if (source !== undefined) {
    topicOf(source, 'to archive');
    return source;
  }
  const known = [...sources.keys(), SERVED_SOURCE].join(', ');
  throw new MillraceError('unknown-source', `no source "${name}" in the definitions; known: ${known}`, {
    remedy: 'Correct the name, or name the folder that has it with --features.',
    httpStatus: 404,
  });
}

function print(output: Output, { source, topic, files, rows, sizeBytes, partitions }: ArchiveStatus): void {
  output.line(
    `${source}, topic ${topic}: ${count(rows)} rows in ${count(files)} ${files === 1 ? 'file' : 'files'}, ${count(sizeBytes)} bytes`,
  );
  output.table(
    ['partition', 'archived', 'rows', 'files', 'holes', 'topic holds', 'lag'],
    partitions.map((at) => [
      at.partition,
      at.ranges.map(span).join('\n'),
      count(at.rows),
      count(at.files),
      holesOf(at),
      at.lowOffset === null ? 'not known' : `${count(at.lowOffset)} – ${count(at.endOffset)}`,
      count(at.lag),
    ]),
  );
  if (files === 0) output.line(`nothing is archived yet; start it: millrace archive ${source}`);
}

function span({ fromOffset, untilOffset }: { readonly fromOffset: number; readonly untilOffset: number }): string {
  return `${count(fromOffset)} – ${count(untilOffset)}`;
}

function holesOf({ holes }: PartitionArchive): string {
  return holes.length === 0 ? 'none' : holes.map((hole) => `${span(hole)} ${hole.reason}`).join('\n');
}

function printCommits(output: Output, view: string, commits: readonly ListedCommit[]): void {
  if (commits.length === 0) return output.line(`${view}: no commits; what is served is what its backfill built`);
  output.table(
    ['seq', 'version', 'committed at', 'partition', 'offsets', 'watermark'],
    commits.map((commit) => [
      count(commit.seq),
      commit.version,
      commit.committedAt,
      commit.partition,
      span(commit),
      commit.watermark,
    ]),
  );
}

function limitOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
