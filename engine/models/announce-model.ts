import { isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import type { Clock } from '../values/clock.ts';
import { encodeModelRecord } from './model-record.ts';

/**
 * Tells whoever follows a model that its rows have changed. One that is lost is no harm: they look by themselves every 15 s. Gives why it could not be
 * sent; null: it was.
 */
export async function announceModel({
  writer,
  topic,
  clock,
  model,
}: {
  readonly writer: LogWriter;
  readonly topic: string;
  readonly clock: Clock;
  readonly model: string;
}): Promise<MillraceError | null> {
  const value = encodeModelRecord({ kind: 'announcement', model });
  try {
    await writer.send(topic, [{ key: Buffer.from(model), value, timestampMs: Math.floor(clock.nowUs() / 1000) }]);
    return null;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return error;
  }
}
