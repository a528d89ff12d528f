import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { alertJson } from '../../engine/alerts/alert-json.ts';
import { isoMs } from '../../engine/alerts/alert-event.ts';
import { readSilences } from '../../engine/alerts/silence.ts';
import {
  acknowledgeAlert,
  addSilence,
  alertNamed,
  endSilence,
  scopeOfAlert,
} from '../../engine/alerts/steer-alerts.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { appendEvent } from '../../engine/postgres/audit-events.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withCatalog } from '../models/model-places.ts';

interface AckOptions extends CommonOptions {
  readonly reason: string;
}

/** `millrace monitor ack ID --reason …`. */
export function addAcknowledge(parent: Command): void {
  const command = parent
    .command('ack')
    .argument('<id>')
    .description('say that you look after an open alert')
    .requiredOption('--reason <text>', 'what is done about it');
  withCommonOptions(command).action(async (id: string, options: AckOptions) => {
    const { env, output } = contextOf(options);
    const who = actorName();
    const alert = await withCatalog(env, async (pool) => {
      const said = await acknowledgeAlert(pool, id, { who, reason: options.reason });
      await appendEvent(pool, {
        actor: who,
        action: 'monitor ack',
        subject: id,
        input: { reason: options.reason },
        result: {},
      });
      return said;
    });
    if (output.isJson) return output.json(alertJson(alert, [], Date.now()));
    output.line(`${id}: looked after by ${who}`);
  });
}

interface SilenceOptions extends CommonOptions {
  readonly until: number;
  readonly reason: string;
  readonly object?: string;
  readonly field?: string;
  readonly segment?: { readonly name: string; readonly value: string };
  readonly kind?: string;
}

/** `millrace monitor silence [ID] --until … --reason …`, and `unsilence`. */
export function addSilencing(parent: Command): void {
  const command = parent
    .command('silence')
    .argument('[id]', 'an alert: whatever has its root and kind is silenced')
    .description('keep alerts from waking anybody until a time: they are marked wherever they are told')
    .option('--object <name>', 'a source, view or service')
    .option('--field <name>', 'a field or feature')
    .option('--segment <name=value>', 'a segment', segmentOf)
    .option('--kind <kind>', 'a kind of alert, e.g. volume')
    .requiredOption('--until <time>', 'a time, as 2026-06-03T12:00Z', timeOf)
    .requiredOption('--reason <text>', 'why');
  withCommonOptions(command).action(async (alert: string | undefined, options: SilenceOptions) => {
    const { env, output } = contextOf(options);
    const { object = null, field = null, segment = null, kind = null, until: untilMs, reason } = options;
    const named = [object, field, segment, kind].some((part) => part !== null);
    if ((alert === undefined) !== named)
      throw new MillraceError(
        'bad-options',
        'an alert is silenced by its id, or others by --object, --field, --segment and --kind',
        {
          remedy: 'Give either the id or some of the options.',
        },
      );
    const who = actorName();
    const id = randomUUID().slice(0, 8);
    const silences = await withCatalog(env, async (pool) => {
      const scope =
        alert === undefined ? { object, field, segment, kind } : scopeOfAlert(await alertNamed(pool, alert));
      await addSilence(pool, { ...scope, id, untilMs, who, reason }, Date.now());
      await appendEvent(pool, {
        actor: who,
        action: 'monitor silence',
        subject: alert ?? object,
        input: {
          ...scope,
          segment: scope.segment === null ? null : `${scope.segment.name} = ${scope.segment.value}`,
          until: isoMs(untilMs),
          reason,
        },
        result: { id },
      });
      return await readSilences(pool, Date.now());
    });
    if (output.isJson) return output.json(silences.find((silence) => silence.id === id) ?? null);
    output.line(`silence ${id} until ${isoMs(untilMs)}; end it with: millrace monitor unsilence ${id}`);
  });
  const ending = parent
    .command('unsilence')
    .argument('<id>', 'of a silence')
    .description('end a silence before its time');
  withCommonOptions(ending).action(async (id: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const who = actorName();
    const ended = await withCatalog(env, async (pool) => {
      const count = await endSilence(pool, id);
      if (count > 0)
        await appendEvent(pool, { actor: who, action: 'monitor unsilence', subject: id, input: {}, result: {} });
      return count;
    });
    if (output.isJson) return output.json({ id, ended });
    output.line(ended === 0 ? `no silence ${id} is in force` : `silence ${id} is over`);
  });
}

function segmentOf(text: string): { name: string; value: string } {
  const [name, value] = text.split(/=(.*)/s);
  if (name === undefined || name === '' || value === undefined) throw new InvalidArgumentError('expected NAME=VALUE');
  return { name, value };
}

function timeOf(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('expected a time, as 2026-06-03T12:00Z');
  return ms;
}
