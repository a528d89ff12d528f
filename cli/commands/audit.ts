import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { durationMicros, formatDuration } from '../../engine/define/duration.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import {
  type AuditDifference,
  type AuditInput,
  type AuditResultSummary,
  type AuditSummary,
} from '../../workflows/audit-parity/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { removeAuditSchedule, scheduleAudit } from '../audit-schedule.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { followWorkflow } from '../follow-workflow.ts';
import { noteElsewhere } from '../note-event.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { shownCells } from '../shown-cell.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface AuditOptions extends CommonOptions {
  readonly reads?: number | undefined;
  readonly entities?: number | undefined;
  /** Milliseconds. */
  readonly every?: number | 'off' | undefined;
}

/** `millrace audit VIEW`. */
export function addAuditCommand(program: Command): void {
  const command = program
    .command('audit')
    .argument('<view>')
    .description(
      'replay the log and compare it, to the bit, with what was served and is stored; exit code 1 on a difference',
    )
    .option('--reads <n>', 'logged reads to compare at most (default 100,000)', wholeNumber)
    .option('--entities <n>', 'stored entities to compare at most (default 10,000)', wholeNumber)
    .option('--every <time>', 'do it on a schedule, e.g. 1h; "off" ends that', periodOf);
  withCommonOptions(command).action(async (view: string, options: AuditOptions) => {
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    const taskQueue = taskQueueOf(env.variables);
    const input: AuditInput = {
      view,
      ...(options.reads === undefined ? {} : { reads: options.reads }),
      ...(options.entities === undefined ? {} : { entities: options.entities }),
    };
    await withTemporal(temporal, env.installation, async (client) => {
      const { every } = options;
      const scheduled = { action: 'audit schedule', subject: view };
      if (every === 'off') {
        const removed = await removeAuditSchedule(client, view);
        if (removed) await noteElsewhere(env, output, { ...scheduled, input: { every: null }, result: { removed } });
        if (output.isJson)
          return output.json({ view, scheduleId: env.installation.auditScheduleId(view), every: null, removed });
        return output.line(`${view}: ${removed ? 'audited on no schedule any more' : 'was audited on no schedule'}`);
      }
      if (every !== undefined) {
        const made = await scheduleAudit(client, input, every, taskQueue);
        const text = formatDuration(every * 1000);
        await noteElsewhere(env, output, { ...scheduled, input: { every: text }, result: { made } });
        if (output.isJson)
          return output.json({ view, scheduleId: env.installation.auditScheduleId(view), every: text, made });
        return output.line(`${view}: audited every ${text} (schedule ${env.installation.auditScheduleId(view)})`);
      }
      const workflowId = env.installation.auditId(view, randomUUID());
      const handle = await client.workflow.start('auditParity', { workflowId, taskQueue, args: [input] });
      output.note(`audit of ${view}: ${workflowUrl(temporal, workflowId)}`);
      report(output, await followWorkflow<AuditResultSummary>(client, handle, output, 'audit'));
    });
  });
}

function report(output: Output, result: AuditResultSummary): void {
  if (result.verdict === 'not-served') {
    throw new MillraceError('view-not-published', result.reason, {
      remedy: `Correct the name ("millrace plan" lists the views), or start it: millrace start ${result.view}`,
      httpStatus: 404,
    });
  }
  if (result.verdict !== 'equal') process.exitCode = 1;
  if (output.isJson) output.json(result);
  else print(output, result);
}

function print(output: Output, result: AuditSummary): void {
  output.table(
    ['view', 'verdict', 'cells', 'differing', 'entities', 'reads', 'version', 'seq', 'seconds', 'audit'],
    [
      [
        result.view,
        result.verdict,
        count(result.cellsCompared),
        count(result.cellsDiffering),
        count(result.entities),
        count(result.reads),
        result.version,
        count(result.seq),
        result.seconds.toFixed(1),
        result.auditId,
      ],
    ],
  );
  const skipped = Object.entries(result.skipped).filter(([, reads]) => reads > 0);
  if (skipped.length > 0)
    output.table(
      ['not compared', 'reads'],
      skipped.map(([reason, reads]) => [reason, count(reads)]),
    );
  if (result.lastProof !== undefined)
    output.line(
      `version ${result.version} was built by earlier semantics of the engine and is replayed no more (semantics-retired); ${result.lastProof}`,
    );
  else if (result.verdict === 'nothing-compared') output.line('nothing was compared, which proves nothing');
  for (const difference of result.differences) printDifference(output, difference);
  const causes = Object.entries(result.causes).map(([cause, entities]) => `${count(entities)} ${cause}`);
  if (causes.length > 0) output.line(`causes: ${causes.join(', ')}`);
  const all = Object.values(result.causes).reduce((sum, entities) => sum + entities, 0);
  if (all > result.differences.length)
    output.line(
      `${count(result.differences.length)} of ${count(all)} are shown; all that were looked into stand in the catalog's parity_difference, audit_id ${result.auditId}`,
    );
}

function printDifference(output: Output, difference: AuditDifference): void {
  const { number, entity, cause, detail, seq, asOf, requestId, cells, records } = difference;
  const key = Object.entries(entity).map(([name, value]) => `${name}=${String(value)}`);
  output.line();
  output.line(`${number}. ${key.join(' ')}: ${cause}`);
  output.line(`   ${detail}`);
  const where = [
    ...(requestId === null ? ['stored state'] : [`request ${requestId}`]),
    ...(asOf === null ? [] : [`as of ${asOf}`]),
    ...(seq === null ? [] : [`seq ${count(seq)}`]),
  ];
  output.line(`   ${where.join(' · ')}`);
  output.table(
    ['feature', 'by the log', 'received'],
    cells.map(({ feature, expected, received }) => [feature, ...shownCells(expected, received)]),
  );
  if (records.length > 0) {
    output.table(
      ['partition', 'offset', 'event time'],
      records.map(({ partition, offset, eventTime }) => [
        partition === -1 ? 'history' : partition,
        count(offset),
        eventTime,
      ]),
    );
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number');
  return value;
}

function periodOf(text: string): number | 'off' {
  if (text === 'off') return text;
  const micros = durationMicros(text);
  if (micros === undefined || micros < 1_000_000)
    throw new InvalidArgumentError('expected a time of at least 1s, e.g. 30m, 1h or 1d, or "off"');
  return micros / 1000;
}
