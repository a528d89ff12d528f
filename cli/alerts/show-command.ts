import type { Command } from 'commander';
import { alertJson } from '../../engine/alerts/alert-json.ts';
import { alertText, isoMs, shown } from '../../engine/alerts/alert-event.ts';
import { memberCommand } from '../../engine/alerts/evidence.ts';
import { readSilences } from '../../engine/alerts/silence.ts';
import { alertNamed } from '../../engine/alerts/steer-alerts.ts';
import { subjectText } from '../../engine/alerts/subject-text.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withCatalog } from '../models/model-places.ts';
import { isoMicros } from '../output.ts';

/** `millrace monitor alert ID`: an alert with its evidence. */
export function addShow(parent: Command): void {
  const command = parent
    .command('alert')
    .argument('<id>')
    .description('an alert: what deviates with it, by how much, and where to look');
  withCommonOptions(command).action(async (id: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const wallMs = Date.now();
    const { alert, silences } = await withCatalog(env, async (pool) => ({
      alert: await alertNamed(pool, id),
      silences: await readSilences(pool, wallMs),
    }));
    const told = alertJson(alert, silences, wallMs);
    if (output.isJson) return output.json(told);
    output.line(alertText(alert));
    output.line(`${alert.state}, last in the ${alert.grain} of ${isoMs(alert.lastMs)}`);
    if (alert.closedAtMs !== null) output.line(`closed at ${isoMs(alert.closedAtMs)}: ${alert.closedBy}`);
    if (alert.acknowledged !== null)
      output.line(
        `looked after by ${alert.acknowledged.who} since ${isoMicros(alert.acknowledged.atUs)}: ${alert.acknowledged.reason}`,
      );
    if (told.silenced !== null)
      output.line(`silenced until ${told.silenced.until} by ${told.silenced.who}: ${told.silenced.reason}`);
    output.line(`evidence: ${memberCommand(alert)}`);
    output.table(
      ['at', 'of', 'statistic', 'since', 'value', 'usually', 'spreads off', 'records', 'by'],
      alert.members.map(({ subject, statistic, sinceMs, value, usual, score, count, weeks }) => [
        subject.place,
        subjectText(subject),
        statistic,
        isoMs(sinceMs),
        shown(statistic, value),
        shown(statistic, usual),
        score.toFixed(1),
        count,
        weeks === 0 ? 'rule' : weeks < 4 ? `${weeks} weeks: χ² bound` : `${weeks} weeks`,
      ]),
    );
    if (alert.moreMembers > 0) output.line(`and ${alert.moreMembers} more`);
  });
}
