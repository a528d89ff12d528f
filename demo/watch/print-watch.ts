import type { Output } from '../../cli/output.ts';
import { WATCH_FAULTS } from './watch-faults.ts';
import type { FaultVerdict, SeenAlert, WatchFigures } from './watch-verdict.ts';

/** The tables at the end. */
export function printWatch(
  output: Output,
  { falseAlerts, seconds }: WatchFigures,
  verdicts: readonly FaultVerdict[],
  others: readonly SeenAlert[],
): void {
  output.table(
    ['fault', 'found', 'delay', 'place', 'segment', 'alert'],
    verdicts.map(({ name, found, delayMinutes, placeRight, segmentRight, fieldRight, alert }) => [
      name,
      yes(found),
      delayMinutes === null ? '' : `${delayMinutes} min`,
      alert === null ? '' : marked(alert.place, placeRight),
      alert === null ? '' : marked(segmentText(alert), segmentRight && fieldRight),
      alert?.text ?? '',
    ]),
  );
  for (const { name, what } of WATCH_FAULTS)
    if (verdicts.some((verdict) => verdict.name === name)) output.line(`${name}: ${what}`);
  for (const { text } of others) output.line(`false alert: ${text}`);
  output.line(`false alerts ${falseAlerts}`);
  output.line(`seconds      ${seconds}`);
}

function yes(is: boolean): string {
  return is ? 'yes' : 'no';
}

/** What is wrong is said. */
function marked(text: string, isRight: boolean): string {
  return isRight ? text : `${text} (wrong)`;
}

function segmentText({ root: { segment } }: SeenAlert): string {
  return segment === null ? 'the whole' : `${segment.name} = ${segment.value}`;
}
