import type pg from 'pg';
import { OutboxSender } from '../pairs/outbox.ts';
import { installationOf } from '../postgres/settled-queries.ts';
import type { Fence } from '../slice/fence.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';

/**
 * Sends the events of alerts that wait to the installation's topic, until none does. Throws what is not retryable: `topic-not-found` …
 *
 * @returns how many were sent, or `superseded` where somebody else sends
 */
export async function sendAlerts({
  pool,
  writer,
  reader,
  fence,
  signal,
}: {
  readonly pool: pg.Pool;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly fence: Fence;
  readonly signal: AbortSignal;
}): Promise<number | 'superseded'> {
  const { alertsTopic: topic } = installationOf(pool);
  const sender = new OutboxSender({ topic, pool, writer, reader, fence });
  const ended = await sender.run(signal, { untilEmpty: true });
  return ended === 'superseded' ? 'superseded' : sender.sent;
}
