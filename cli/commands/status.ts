import type { Command } from 'commander';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { missingLockText } from '../lock-text.ts';
import { newerFilesBy, newerFilesText } from '../newer-files.ts';
import { count, isoMicros, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { sideVersionLines } from '../side-versions-text.ts';
import { type AppliedDefinition, gatherStatus, type ViewStatus } from '../view-status.ts';

/** `millrace status [VIEW]`. */
export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .argument('[view]')
    .description('phase, version, lag, watermark, offsets, counts and error of each view (or of one)');
  withCommonOptions(command).action(async (view: string | undefined, options: CommonOptions) => {
    const { env, output, features } = contextOf(options);
    const services = await neededServices(env, ['databaseUrl', 'kafka', 'temporal']);
    const statuses = await gatherStatus({ ...services, installation: env.installation }, view, newerFilesBy(features));
    if (output.isJson) output.json(view === undefined ? statuses : statuses[0]);
    else {
      print(output, statuses, view !== undefined);
      const lock = missingLockText(features);
      if (lock !== null) output.line(lock);
    }
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function appliedText({ fingerprint, applyNumber, actor, at, message }: AppliedDefinition): string {
  const why = message === null ? '' : `: ${message}`;
  return `${fingerprint.slice(0, 12)} is applied (number ${applyNumber}, by ${actor}, ${at})${why}; that is not what is served`;
}

function print(output: Output, statuses: readonly ViewStatus[], detailed: boolean): void {
  if (statuses.length === 0) return output.line('no view is running or served; start one: millrace start VIEW');
  output.table(
    ['view', 'phase', 'version', 'fingerprint', 'entities', 'lag', 'watermark', 'dead letters', 'parity'],
    statuses.map((status) => [
      status.view,
      status.phase,
      status.version,
      status.fingerprint?.slice(0, 12) ?? null,
      `${status.entitiesEstimated ? '~' : ''}${count(status.entities)}`,
      count(status.lag),
      status.watermark,
      count(status.deadLetters),
      status.parity?.verdict ?? null,
    ]),
  );
  for (const status of statuses) {
    if (status.mostlyInvalid.length > 0) {
      output.line(
        `${status.view}: most of the last records of partition ${status.mostlyInvalid.join(', ')} are invalid: millrace dead-letters ${status.view}`,
      );
    }
    if (status.heldBack !== null && status.waitingFor === null) output.line(`${status.view}: ${status.heldBack}`);
    const { applied, fingerprint } = status;
    if (applied !== null && applied.fingerprint !== fingerprint) output.line(`${status.view}: ${appliedText(applied)}`);
    for (const line of sideVersionLines(status)) output.line(`${status.view}: ${line}`);
    const newer = newerFilesText(status.filesNotInVersion, status.view);
    if (newer !== null) output.line(`${status.view}: ${newer}`);
    for (const line of status.running) output.line(`${status.view}: ${line}`);
    if (status.waitingFor !== null) {
      const { sinceMs, message } = status.waitingFor;
      output.line(`${status.view}: waits since ${isoMicros(sinceMs * 1000)}: ${message}`);
    }
    if (status.error !== null) {
      output.line(`${status.view}: error ${status.error.code}: ${status.error.message}\n  ${status.error.remedy}`);
    }
    if (!detailed) continue;
    output.table(
      ['partition', 'next offset', 'end offset', 'lag'],
      status.offsets.map((at) => [
        at.partition,
        count(at.nextOffset),
        count(at.endOffset),
        count(at.endOffset - at.nextOffset),
      ]),
    );
    output.table(
      ['records', ...Object.keys(status.counts).filter((name) => name !== 'records')],
      [
        [
          count(status.counts['records'] ?? 0),
          ...Object.entries(status.counts)
            .filter(([name]) => name !== 'records')
            .map(([, n]) => count(n)),
        ],
      ],
    );
    if (status.tags !== null) output.table(['feature', 'tag'], Object.entries(status.tags));
    const { parity } = status;
    if (parity !== null) {
      const causes = Object.entries(parity.causes).map(([cause, differences]) => `${count(differences)} ${cause}`);
      output.line(
        `parity ${parity.verdict}: ${count(parity.cellsCompared)} cells compared, ${count(parity.cellsDiffering)} differ (audit ${parity.auditId}, ${parity.at.slice(0, 19)}Z)${causes.length === 0 ? '' : `: ${causes.join(', ')}`}${parity.lostReads === 0 ? '' : `; ${count(parity.lostReads)} logged reads are of commits that were lost (docs/restore.md)`}`,
      );
    }
    for (const [kind, { rows, bytes, droppedRows, firstDroppedAt }] of Object.entries(status.kept)) {
      if (rows === 0 && droppedRows === 0) continue;
      const words = kind === 'commits' ? ['commit records', 'merged into others'] : ['dead letters', 'dropped'];
      const gone = firstDroppedAt === null ? '' : `; ${count(droppedRows)} were ${words[1]} since ${firstDroppedAt}`;
      output.line(`${words[0]} kept: ${count(rows)}, ${megabytes(bytes)}${gone}`);
    }
    if (status.expiredRows > 0) output.line(`expired: ${count(status.expiredRows)} rows removed`);
    if (status.servedSince !== null) output.line(`served since ${isoMicros(status.servedSince)}`);
    if (status.accepts.length > 0) output.line(`next: ${status.accepts.join(', ')}`);
  }
}
