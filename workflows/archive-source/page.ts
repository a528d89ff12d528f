import { ARCHIVE_COMMAND_DESCRIPTIONS, type ArchivedPartition, type ArchivePhase } from './contract.ts';
import { type ArchiveState, archiveStatusOf } from './state.ts';
import { failedText, grouped, iso, tableText, waitingText } from '../page-text.ts';

const RANGES_SHOWN = 5;

const MEANING: Readonly<Record<ArchivePhase, string>> = {
  starting: 'The source is being looked up.',
  archiving: 'The topic is being copied to Parquet. The pending activity shows how it goes right now.',
  waiting:
    'Copying waits for what is named below, for as long as it takes, and goes on by itself. What the topic drops meanwhile is a hole.',
  pausing: 'Stopping: once paused, nothing can be added any more, whatever became of the worker.',
  paused: 'Nothing is copied. What the topic drops meanwhile is a hole.',
  failed: 'A person is needed: see the error and its remedy below.',
  stopping: 'Stopping for good.',
  stopped: 'Ended. What is archived stays, and a new start goes on where this one stopped.',
};

/** The page of an archive in the Temporal UI ("current details"), in Markdown. */
export function renderArchivePage(state: ArchiveState): string {
  const status = archiveStatusOf(state);
  const lines = [`### archive of ${state.source}: ${status.phase}`, '', MEANING[status.phase], ''];
  if (status.topic !== null) lines.push(`- Topic: **${status.topic}**`);
  lines.push(`- Records copied by this workflow: **${grouped(status.records)}**`);
  if (status.lag !== null) lines.push(`- Lag when the last slice ended: **${grouped(status.lag)}**`);
  lines.push(`- Small files merged: **${grouped(status.mergedFiles)}**`);
  lines.push(`- Commit records rolled to Parquet: **${grouped(status.rolledCommits)}**`);
  const { sums } = status;
  if (status.partitions.length > 0) {
    lines.push('', '**As of the end of the last slice**:', '');
    if (sums !== undefined && sums.partitions > status.partitions.length)
      lines.push(
        `${grouped(sums.rows)} rows of ${grouped(sums.partitions)} partitions; ${grouped(sums.behind)} are behind, by ${grouped(sums.lag)} records; ${grouped(sums.holes)} holes of ${grouped(sums.lost)} offsets. These are furthest behind, or have lost most:`,
        '',
      );
    lines.push(...tableText(['partition', 'offsets', 'rows', 'files', 'holes', 'lag'], status.partitions.map(row)));
  }
  if (status.waitingFor != null) lines.push('', ...waitingText(status.waitingFor));
  if (status.error !== null) lines.push('', ...failedText(status.error));
  if (status.accepts.length > 0) lines.push('', '**What can be sent now**, as an Update:', '');
  for (const command of status.accepts) lines.push(`- \`${command}\`: ${ARCHIVE_COMMAND_DESCRIPTIONS[command]}`);
  lines.push(
    '',
    '**So far**, newest first:',
    '',
    ...state.passed.toReversed().map(({ phase, atMs }) => `- ${iso(atMs)} ${phase}`),
  );
  return lines.join('\n');
}

function row({ partition, ranges, rows, files, holes, lag }: ArchivedPartition): (string | number | null)[] {
  return [
    partition,
    spans(ranges),
    grouped(rows),
    grouped(files),
    holes.length === 0 ? 'none' : spans(holes),
    lag === null ? null : grouped(lag),
  ];
}

function spans(of: readonly { readonly from: number; readonly until: number }[]): string {
  const shown = of.slice(-RANGES_SHOWN).map(({ from, until }) => `${grouped(from)}–${grouped(until)}`);
  return of.length > RANGES_SHOWN ? `… ${shown.join(', ')}` : shown.join(', ');
}
