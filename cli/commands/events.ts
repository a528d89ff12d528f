import { type Command, InvalidArgumentError } from 'commander';
import { type AuditEvent, auditEvents } from '../../engine/postgres/audit-events.ts';
import { durationMicros } from '../../engine/define/duration.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { isoMicros } from '../output.ts';
import { neededServices } from '../services.ts';

interface EventsOptions extends CommonOptions {
  readonly view?: string | undefined;
  /** UTC epoch µs. */
  readonly since?: number | undefined;
  readonly limit: number;
}

/** `millrace events`: who did what. */
export function addEventsCommand(program: Command): void {
  const command = program
    .command('events')
    .description('who did what: the newest commands that changed something')
    .option('--view <name>', 'to this view alone (or source, or token)')
    .option('--since <time>', 'from then on: an ISO time with its zone, or how long ago, e.g. 2h', sinceOf)
    .option('--limit <n>', 'at most this many', limitOf, 50);
  withCommonOptions(command).action(async ({ view, since, limit, ...options }: EventsOptions) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const events = await auditEvents(pool, { subject: view, sinceUs: since, limit });
      if (output.isJson) return output.json(events.map(eventJson));
      if (events.length === 0) return output.line('nothing was noted');
      output.table(
        ['at', 'actor', 'action', 'to', 'input', 'result'],
        events.map(({ atUs, actor, action, subject, input, result }) => [
          `${isoMicros(atUs).slice(0, 19)}Z`,
          actor,
          action,
          subject,
          shown(input),
          shown(result),
        ]),
      );
    } finally {
      await pool.end();
    }
  });
}

function eventJson({ atUs, ...event }: AuditEvent): object {
  return { ...event, at: isoMicros(atUs) };
}

function shown(fields: AuditEvent['input']): string | null {
  const texts = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return texts.length === 0 ? null : texts.join(' ');
}

function sinceOf(text: string): number {
  const ago = durationMicros(text);
  if (ago !== undefined) return systemClock.nowUs() - ago;
  const atMs = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new InvalidArgumentError('expected an ISO time with its zone, or a duration such as 2h');
  return atMs * 1000;
}

function limitOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 10_000)
    throw new InvalidArgumentError('expected a whole number from 1 to 10,000');
  return value;
}
