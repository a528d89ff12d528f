import { isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import { isNamed, type NamedFault } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';
import { OTHER_KAFKA_FAULT, SILENT_KAFKA } from '../faults/kafka-faults.ts';

/** What went wrong with Kafka, in our terms, and whether trying again in a moment may help. */
export interface KafkaFailure {
  readonly transient: boolean;
  readonly error: MillraceError;
}

interface KafkaJsErrorShape {
  readonly name?: unknown;
  readonly cause?: unknown;
}

/** How the subject of a question about a topic begins. */
const OF_TOPIC = 'topic ';

/** Errors of kafkajs's retrier wrap the one that matters. */
function unwrap(error: unknown): unknown {
  let current = error;
  for (;;) {
    const { name, cause } = (current ?? {}) as KafkaJsErrorShape;
    const wrapper = name === 'KafkaJSNumberOfRetriesExceeded' || name === 'KafkaJSNonRetriableError';
    if (!wrapper || cause === undefined || cause === null) return current;
    current = cause;
  }
}

/** Classifies any error of a Kafka call, as `engine/faults` has it. `subject` says what was asked, e.g. `topic flights`. */
export function kafkaFailure(thrown: unknown, brokers: readonly string[], subject: string): KafkaFailure {
  const cause = unwrap(thrown);
  if (isMillraceError(cause)) return { transient: cause.retryable, error: cause };
  // The error of a connection has the socket's code beside its name, which says more.
  const fault = faultOf(['network', 'kafka'], symptomsOf(cause)) ?? OTHER_KAFKA_FAULT;
  const error = kafkaError(isNamed(fault) ? fault : OTHER_KAFKA_FAULT, brokers, subject, cause);
  return { transient: error.retryable, error };
}

/** The error for a Kafka that does not answer, which is waited for. */
export function unreachable(brokers: readonly string[], subject: string, cause: unknown): MillraceError {
  return kafkaError(SILENT_KAFKA, brokers, subject, cause);
}

function kafkaError(fault: NamedFault, brokers: readonly string[], subject: string, cause: unknown): MillraceError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const address = brokers.join(',');
  const topic = subject.startsWith(OF_TOPIC) ? subject.slice(OF_TOPIC.length) : 'TOPIC';
  const remedy = fault.remedy.replace('{brokers}', address).replace('{topic}', topic);
  return faultError(
    { ...fault, remedy },
    {
      message: `Kafka at ${address} ${fault.says} (${subject}): ${text}`,
      variable: 'KAFKA_BROKERS',
      details: { service: 'kafka', variable: 'KAFKA_BROKERS', address },
      cause,
    },
  );
}
