import { MillraceError, isMillraceError } from '../errors/millrace-error.ts';

/** What went wrong with Kafka, in our terms, and whether trying again in a moment may help. */
export interface KafkaFailure {
  readonly transient: boolean;
  readonly error: MillraceError;
}

const TRANSIENT_NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSTimeout',
  'KafkaJSGroupCoordinatorNotFound',
]);

const TRANSIENT_TYPES = new Set([
  'BROKER_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
]);

interface KafkaJsErrorShape {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly retriable?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
}

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

/** Classifies any error of a Kafka call. `subject` says what was asked, e.g. `topic flights`. */
export function kafkaFailure(thrown: unknown, brokers: readonly string[], subject: string): KafkaFailure {
  const cause = unwrap(thrown);
  if (isMillraceError(cause)) return { transient: cause.retryable, error: cause };
  const { name, type, retriable } = (cause ?? {}) as KafkaJsErrorShape;
  const text = cause instanceof Error ? cause.message : String(cause);
  switch (type) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'INVALID_TOPIC_EXCEPTION':
      return { transient: false, error: topicNotFound(subject, brokers, cause) };
    case 'TOPIC_AUTHORIZATION_FAILED':
    case 'CLUSTER_AUTHORIZATION_FAILED':
    case 'GROUP_AUTHORIZATION_FAILED':
      return {
        transient: false,
        error: new MillraceError('kafka-not-authorized', `Kafka at ${brokers.join(',')} refuses ${subject}: ${text}`, {
          remedy: 'Grant this principal Read, Describe and DescribeConfigs on the topic.',
          httpStatus: 502,
          cause,
        }),
      };
  }
  if (name === 'KafkaJSSASLAuthenticationError') {
    return {
      transient: false,
      error: new MillraceError(
        'kafka-authentication-failed',
        `Kafka at ${brokers.join(',')} refuses the credentials: ${text}`,
        {
          remedy: 'Correct the SASL settings of KAFKA_BROKERS.',
          httpStatus: 502,
          cause,
        },
      ),
    };
  }
  const transient =
    (typeof name === 'string' && TRANSIENT_NAMES.has(name)) ||
    (typeof type === 'string' && (retriable === true || TRANSIENT_TYPES.has(type))) ||
    isSocketError(cause);
  if (transient) return { transient, error: unreachable(brokers, subject, cause) };
  return {
    transient: false,
    error: new MillraceError('kafka-failed', `Kafka at ${brokers.join(',')}, ${subject}: ${text}`, {
      remedy: 'See the cause; restart the run once it is removed.',
      httpStatus: 502,
      cause,
    }),
  };
}

function isSocketError(cause: unknown): boolean {
  const { code } = (cause ?? {}) as KafkaJsErrorShape;
  return typeof code === 'string' && /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET)/.test(code);
}

/** The error for a Kafka that does not answer. Retryable. */
export function unreachable(brokers: readonly string[], subject: string, cause: unknown): MillraceError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    'service-unreachable',
    `Kafka at ${brokers.join(',')} does not answer (${subject}): ${text}`,
    {
      remedy: 'Start the broker, or correct KAFKA_BROKERS.',
      retryable: true,
      httpStatus: 503,
      details: { service: 'kafka', variable: 'KAFKA_BROKERS', address: brokers.join(',') },
      cause,
    },
  );
}

function topicNotFound(subject: string, brokers: readonly string[], cause: unknown): MillraceError {
  return new MillraceError('topic-not-found', `Kafka at ${brokers.join(',')} has no such topic: ${subject}`, {
    remedy: "Create the topic, or correct the source's topic name.",
    httpStatus: 404,
    cause,
  });
}
