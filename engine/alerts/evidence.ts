import type { Alert } from './alert.ts';
import { isoMs } from './alert-event.ts';
import { LENGTH_MS } from './monitor-time.ts';

/**
 * The command that shows the records, commits or differences an alert is of.
 *
 * @example
 * memberCommand(alert); // 'millrace dead-letters …'
 */
export function memberCommand({ root, kind, grain, sinceMs, lastMs, place }: Alert): string {
  const until = isoMs(lastMs + LENGTH_MS[grain]);
  const between = `event times from ${isoMs(sinceMs)} until ${until}`;
  if (root.place === 'source') {
    const part = root.segment === null ? '' : `, those of ${root.segment.name} = ${root.segment.value}`;
    return kind === 'invalid'
      ? `records of source ${root.object} that break their contract${part}: millrace dead-letters of a view of it`
      : `records of source ${root.object} (its archive)${part}, ${between}`;
  }
  if (place === 'transformation')
    return `millrace versions ${root.object}: what changed, and when; millrace diff ${root.object}`;
  if (root.place === 'store') return `millrace audit ${root.object}: what is stored against what the log says`;
  return `reads of service ${root.object} in the serving log, ${between}`;
}
