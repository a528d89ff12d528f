import type { CompiledView } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/**
 * The error for a topic that is not the one that was read before.
 *
 * @param what where and what was found: `flights, partition 2: 100 records were read, and the topic now ends at 40`
 * @param remedy where it differs from starting over
 */
export function topicRecreated(
  what: string,
  {
    remedy,
    details,
  }: { readonly remedy?: string | undefined; readonly details?: Readonly<Record<string, unknown>> } = {},
): MillraceError {
  return new MillraceError('topic-recreated', `${what}: it was deleted and made again, or is on another cluster`, {
    remedy: remedy ?? 'Nothing of the new topic was read: start over on it with a new cut (`rebackfill` for a view).',
    httpStatus: 409,
    details,
  });
}

/** The error for stored offsets that are of another cluster than the brokers at hand. */
export function clusterChanged(topic: string, now: string, then: string): MillraceError {
  return new MillraceError(
    'cluster-changed',
    `topic ${topic} is on Kafka cluster ${now}; the stored offsets are of cluster ${then}`,
    {
      remedy: 'Point KAFKA_BROKERS at the cluster the view was built from, or `rebackfill` it on this one.',
      httpStatus: 409,
    },
  );
}

/** The error for records that retention deleted before they were read: `expected` was to come next, `low` is the first one held. */
export function offsetsGone(topic: string, partition: number, expected: number, low: number): MillraceError {
  return new MillraceError(
    'offsets-gone',
    `${topic}, partition ${partition}: records ${expected} to ${low - 1} were deleted by retention before they were read`,
    {
      remedy:
        "Start over with a new cut (`rebackfill` for a view) from a history that has them; lengthen the topic's retention, or archive the source, so that it does not come again.",
      httpStatus: 409,
      details: { topic, partition, expected, low },
    },
  );
}

/** The error of a reader for a position the broker does not hold; `held`: its bounds, where they are known. */
export function offsetOutOfRange(
  topic: string,
  partition: number,
  position: number,
  held: { readonly low: number; readonly end: number } | null,
): MillraceError {
  const holds = held === null ? '' : `; held: ${held.low} to ${held.end}`;
  return new MillraceError(
    'offset-out-of-range',
    `${topic}, partition ${partition}: offset ${position} is not held by the broker${holds}`,
    {
      remedy:
        'Retention has passed this position or the topic was made again: build the view anew from a history that has them (`rebackfill`).',
      httpStatus: 409,
      details: { topic, partition, position },
    },
  );
}

/** The error of a reader for records that were deleted while it was about to read them: `found` is the next one held. */
export function logGap(topic: string, partition: number, position: number, found: number): MillraceError {
  return new MillraceError(
    'log-gap',
    `${topic}, partition ${partition}: records ${position} to ${found - 1} were deleted before they were read`,
    {
      remedy: "Lengthen the topic's retention and start over with `rebackfill`.",
      httpStatus: 409,
      details: { topic, partition, position, found },
    },
  );
}

/** Whether a reader's error says that the topic no longer holds what was asked for: its bounds and the anchor tell why. */
export function isNotHeld(error: MillraceError): boolean {
  return error.code === 'offset-out-of-range' || error.code === 'log-gap';
}

/** The error where a topic is to be read and there is no connection to Kafka; `what`: of whom, and which topic. */
export function kafkaNotConfigured(what: string): MillraceError {
  return new MillraceError('kafka-not-configured', `${what}, but there is no connection to Kafka`, {
    remedy: 'Set KAFKA_BROKERS where this runs, e.g. 127.0.0.1:9092.',
    httpStatus: 500,
  });
}

/** The same of a view whose source has a topic. */
export function viewNeedsKafka(view: CompiledView): MillraceError {
  const { name, topic } = view.source;
  return kafkaNotConfigured(`view "${view.name}": its source "${name}" has the topic "${topic}"`);
}

const HELD_NAMED = 3;

/** What is waited for while open transactions hold partitions back: `offset` is where the first of them begins. */
export function heldBack(
  topic: string,
  held: readonly { readonly partition: number; readonly offset: number; readonly producerId: string | undefined }[],
): MillraceError {
  const named = held
    .slice(0, HELD_NAMED)
    .map(
      ({ partition, offset, producerId }) =>
        `partition ${partition} at offset ${offset}${producerId === undefined ? '' : ` (producer ${producerId})`}`,
    );
  const more = held.length - named.length;
  return new MillraceError(
    'held-back',
    `${topic} is held back by an open transaction: ${named.join(', ')}${more === 0 ? '' : ` and ${more} more`}`,
    {
      remedy:
        'Nothing behind it is given out until its producer commits or aborts it, or Kafka does after its transaction.timeout.ms. One that hangs beyond that is found and aborted with kafka-transactions.sh.',
      waits: true,
      httpStatus: 503,
      details: { topic, partitions: held.map(({ partition }) => partition).slice(0, HELD_NAMED) },
    },
  );
}
