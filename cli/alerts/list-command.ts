import type { Command } from 'commander';
import { alertJson, silenceJson } from '../../engine/alerts/alert-json.ts';
import { isoMs, shown } from '../../engine/alerts/alert-event.ts';
import { type KnownAlert, readAlerts } from '../../engine/alerts/alert-store.ts';
import { readProgress } from '../../engine/alerts/series-store.ts';
import { readSilences, type Silence, isSilenced } from '../../engine/alerts/silence.ts';
import { subjectText } from '../../engine/alerts/subject-text.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withCatalog } from '../models/model-places.ts';
import type { Output } from '../output.ts';

const RECENT_MS = 7 * 86_400_000;

/** `millrace monitor`: what is open, and what was lately. */
export function addListing(command: Command): void {
  withCommonOptions(command.option('--all', 'also those that closed more than a week ago')).action(
    async (options: CommonOptions & { readonly all?: boolean }) => {
      const { env, output } = contextOf(options);
      const wallMs = Date.now();
      const { alerts, silences, progress } = await withCatalog(env, async (pool) => {
        const at = await readProgress(pool, 'hour');
        const closedSinceMs = options.all === true || at === null ? undefined : at.nextMs - RECENT_MS;
        return {
          alerts: await readAlerts(pool, { closedSinceMs }),
          silences: await readSilences(pool, wallMs),
          progress: at,
        };
      });
      if (output.isJson)
        return output.json({
          evaluated_until: progress === null ? null : isoMs(progress.nextMs),
          alerts: alerts.map((alert) => alertJson(alert, silences, wallMs)),
          silences: silences.map(silenceJson),
        });
      if (progress === null) return output.line('nothing has been evaluated; start it with: millrace monitor start');
      printAlerts(output, alerts, silences, wallMs);
      for (const { id, who, reason, untilMs, ...scope } of silences)
        output.note(`silence ${id} until ${isoMs(untilMs)}: ${scopeText(scope)}, by ${who}: ${reason}`);
      output.note(`hours are evaluated until ${isoMs(progress.nextMs)}`);
    },
  );
}

/** Alerts as a table. */
export function printAlerts(
  output: Output,
  alerts: readonly KnownAlert[],
  silences: readonly Silence[],
  wallMs: number,
): void {
  if (alerts.length === 0) return output.line('no alerts');
  output.table(
    ['alert', 'is', 'of', 'kind', 'since', 'value', 'usually', 'suspected place', 'with it', 'seen by'],
    alerts.map((alert) => {
      const { headline, members, moreMembers, acknowledged } = alert;
      const isQuiet = silences.some((silence) => isSilenced(alert, silence, wallMs));
      return [
        alert.id,
        isQuiet ? `${alert.state}, silenced` : alert.state,
        subjectText(alert.root),
        alert.rule === null ? alert.kind : `rule ${alert.rule}`,
        isoMs(alert.sinceMs),
        shown(headline.statistic, headline.value),
        shown(headline.statistic, headline.usual),
        alert.place,
        members.length + moreMembers - 1,
        acknowledged?.who ?? '',
      ];
    }),
  );
}

function scopeText({ object, field, segment, kind }: Pick<Silence, 'object' | 'field' | 'segment' | 'kind'>): string {
  const parts = [object, field, segment === null ? null : `${segment.name} = ${segment.value}`, kind];
  return parts.filter((part) => part !== null).join(', ');
}
