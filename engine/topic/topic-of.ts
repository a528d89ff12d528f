import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/**
 * The topic of a source.
 *
 * @param purpose what it is wanted for, as the message ends: `to stream from`
 * @throws MillraceError `source-without-topic`
 */
export function topicOf(source: Pick<CompiledSource, 'name' | 'topic'>, purpose: string): string {
  if (source.topic !== null) return source.topic;
  throw new MillraceError(
    'source-without-topic',
    `source "${source.name}" has no topic ${purpose}: its history is its whole log`,
    {
      remedy: 'Give the source a topic, or leave it as it is.',
      httpStatus: 409,
    },
  );
}
