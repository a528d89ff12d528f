import type { Fault, NamedFault } from './fault.ts';

/** A broker that does not answer. */
export const SILENT_KAFKA: NamedFault = {
  verdict: 'wait',
  code: 'service-unreachable',
  symptoms: [
    'KafkaJSConnectionError',
    'KafkaJSConnectionClosedError',
    'KafkaJSRequestTimeoutError',
    'KafkaJSBrokerNotFound',
    'KafkaJSNoBrokerAvailableError',
    'KafkaJSLockTimeout',
    'KafkaJSTimeout',
    'KafkaJSGroupCoordinatorNotFound',
    'KafkaJSMetadataNotLoaded',
    'KafkaJSTopicMetadataNotLoaded',
    'KafkaJSStaleTopicMetadataAssignment',
  ],
  says: 'does not answer',
  remedy: 'Start the broker, or correct KAFKA_BROKERS.',
  httpStatus: 503,
};

/** By the types of the protocol and the names of kafkajs's errors. The words follow "Kafka at <brokers>"; `{brokers}` and `{topic}` in a remedy are what was asked. */
export const KAFKA_FAULTS: readonly Fault[] = [
  {
    verdict: 'stop',
    code: 'topic-not-found',
    symptoms: ['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION'],
    says: 'has no such topic',
    remedy:
      "Correct the source's topic name, or create the topic: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions N",
    httpStatus: 404,
  },
  {
    verdict: 'stop',
    code: 'kafka-not-authorized',
    symptoms: [
      'TOPIC_AUTHORIZATION_FAILED',
      'GROUP_AUTHORIZATION_FAILED',
      'CLUSTER_AUTHORIZATION_FAILED',
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
      'DELEGATION_TOKEN_AUTHORIZATION_FAILED',
    ],
    says: 'refuses this principal',
    remedy:
      'Let an administrator run (with Write for what is written): kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:NAME --operation Read --operation DescribeConfigs --topic {topic}',
    httpStatus: 502,
  },
  {
    verdict: 'stop',
    code: 'kafka-authentication-failed',
    symptoms: [
      'KafkaJSSASLAuthenticationError',
      'SASL_AUTHENTICATION_FAILED',
      'UNSUPPORTED_SASL_MECHANISM',
      'ILLEGAL_SASL_STATE',
    ],
    says: 'refuses the credentials',
    remedy: 'Correct KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.',
    httpStatus: 502,
  },
  {
    verdict: 'wait',
    code: 'service-unreachable',
    symptoms: [
      'NOT_LEADER_FOR_PARTITION',
      'LEADER_NOT_AVAILABLE',
      'REPLICA_NOT_AVAILABLE',
      'BROKER_NOT_AVAILABLE',
      'REQUEST_TIMED_OUT',
      'NETWORK_EXCEPTION',
      'NOT_ENOUGH_REPLICAS',
      'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
      'GROUP_LOAD_IN_PROGRESS',
      'GROUP_COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR_FOR_GROUP',
      'NOT_CONTROLLER',
      'KAFKA_STORAGE_ERROR',
      'FENCED_LEADER_EPOCH',
      'UNKNOWN_LEADER_EPOCH',
      'STALE_BROKER_EPOCH',
      'OFFSET_NOT_AVAILABLE',
      'PREFERRED_LEADER_NOT_AVAILABLE',
      'LISTENER_NOT_FOUND',
      'CONCURRENT_TRANSACTIONS',
      'UNSTABLE_OFFSET_COMMIT',
      'FETCH_SESSION_ID_NOT_FOUND',
      'INVALID_FETCH_SESSION_EPOCH',
      'GROUP_MAX_SIZE_REACHED',
      'THROTTLING_QUOTA_EXCEEDED',
    ],
    says: 'does not answer: it has no leader, coordinator or replica for this at present',
    remedy: 'Wait until the cluster has settled; see its brokers.',
    httpStatus: 503,
  },
  SILENT_KAFKA,
  {
    verdict: 'retry',
    code: 'service-unreachable',
    symptoms: [
      'CORRUPT_MESSAGE',
      'INVALID_REQUIRED_ACKS',
      'INVALID_REQUEST',
      'ELECTION_NOT_NEEDED',
      'NO_REASSIGNMENT_IN_PROGRESS',
    ],
    says: 'did not understand, or was not understood',
    remedy: 'Check the broker and what stands between it and this process.',
    httpStatus: 503,
  },
];

/** What a Kafka error is that no row knows. */
export const OTHER_KAFKA_FAULT: NamedFault = {
  verdict: 'stop',
  code: 'kafka-failed',
  symptoms: [],
  says: 'answers with an error that nothing is known of',
  remedy: 'See the cause; restart the run once it is removed.',
  httpStatus: 502,
};
