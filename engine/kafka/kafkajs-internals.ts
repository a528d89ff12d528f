import { createRequire } from 'node:module';
import type { SASLOptions } from 'kafkajs';
import { internalBug } from '../errors/millrace-error.ts';

/*
 * The part of kafkajs 2.2.4 (pinned) below its consumer: connections (TLS, SASL, framing, request matching), metadata and the plain requests.
 * Not covered by its type declarations, so the shapes are declared here and checked once at run time (docs/adr/0003-log-reader.md).
 */

export interface ProtocolRequest {
  readonly request: unknown;
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
  readonly requestTimeout?: number;
}

export interface KafkaBroker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
  readonly connectionPool: { send(request: ProtocolRequest): Promise<unknown> };
  describeConfigs(request: {
    resources: readonly { type: number; name: string; configNames: readonly string[] }[];
  }): Promise<{
    resources: readonly { errorCode: number; configEntries: readonly { configName: string; configValue: string }[] }[];
  }>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[];
  }): Promise<unknown>;
}

export interface KafkaCluster {
  readonly brokerPool: {
    readonly metadata: {
      readonly clusterId: string | null;
      readonly topicMetadata: readonly {
        readonly topic: string;
        readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
      }[];
    } | null;
    refreshMetadata(topics: readonly string[]): Promise<void>;
    findConnectedBroker(): Promise<KafkaBroker>;
    findBroker(node: { nodeId: number }): Promise<KafkaBroker>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  findGroupCoordinator(group: { groupId: string }): Promise<KafkaBroker>;
}

export interface ClusterOptions {
  readonly logger: unknown;
  readonly socketFactory: unknown;
  readonly brokers: readonly string[];
  readonly ssl: unknown;
  readonly sasl: SASLOptions | undefined;
  readonly clientId: string;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
  readonly isolationLevel: number;
  readonly retry: { readonly retries: number };
}

export interface FetchRequestOptions {
  readonly replicaId: number;
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }[];
}

/** kafkajs's writer of protocol types. */
interface KafkaEncoder {
  writeInt8(value: number): this;
  writeInt32(value: number): this;
  writeInt64(value: number): this;
  writeString(value: string): this;
  writeArray(items: readonly KafkaEncoder[]): this;
}

const require = createRequire(import.meta.url);

type Callable = (...parameters: never[]) => unknown;

/** A function of a kafkajs module; a wrong version of the package is a fault of the installation, found at the first use. */
function load<Shape extends Callable | (abstract new (...parameters: never[]) => unknown)>(
  path: string,
  name?: string,
): Shape {
  const loaded: unknown = require(`kafkajs/src/${path}`);
  const found = name === undefined ? loaded : (loaded as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw internalBug(`kafkajs/src/${path} is not as in version 2.2.4`);
  return found as Shape;
}

const Cluster = load<new (options: ClusterOptions) => KafkaCluster>('cluster/index.js');
const createSocketFactory = load<() => unknown>('network/socketFactory.js');
const createLogger = load<(options: { level: number; logCreator: () => () => void }) => unknown>(
  'loggers/index.js',
  'createLogger',
);
const protocolError = load<(code: number) => Error & { type?: string; retriable?: boolean }>(
  'protocol/error.js',
  'createErrorFromCode',
);
const fetchRequestV11 = load<(options: FetchRequestOptions) => unknown>('protocol/requests/fetch/v11/request.js');

const Encoder = load<new () => KafkaEncoder>('protocol/encoder.js');

/** What kafkajs would log is in the errors we throw. */
const silentLogger = createLogger({ level: 0, logCreator: () => () => undefined });

/** A cluster handle whose retries are ours: kafkajs tries once. */
export function createCluster(options: Omit<ClusterOptions, 'logger' | 'socketFactory'>): KafkaCluster {
  const cluster = new Cluster({ ...options, logger: silentLogger, socketFactory: createSocketFactory() });
  for (const method of ['connect', 'disconnect', 'findGroupCoordinator'] as const) {
    if (typeof cluster[method] !== 'function')
      throw internalBug(`kafkajs's cluster has no ${method}: version 2.2.4 is expected`);
  }
  return cluster;
}

/** The error kafkajs has for a protocol error code. */
export function errorOfCode(code: number): Error & { type?: string; retriable?: boolean } {
  return protocolError(code);
}

/** The body of a Fetch request, version 11. */
export function encodeFetchRequest(options: FetchRequestOptions): unknown {
  return fetchRequestV11(options);
}

const LIST_OFFSETS = 2;
/** kafkajs ends at version 3. From 5 on a leader that has just been elected says that it does not know the end yet, instead of an earlier one (KIP-207). */
const LIST_OFFSETS_VERSION = 5;
const NO_EPOCH = -1;

/** The body of a ListOffsets request, version 5, of one topic; `timestamp`: -2 for the first offset, -1 for the end. */
export function encodeListOffsetsRequest(options: {
  readonly isolationLevel: number;
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly timestamp: number;
}): unknown {
  const { isolationLevel, topic, partitions, timestamp } = options;
  return {
    apiKey: LIST_OFFSETS,
    apiVersion: LIST_OFFSETS_VERSION,
    apiName: 'ListOffsets',
    encode: async () =>
      new Encoder()
        .writeInt32(-1)
        .writeInt8(isolationLevel)
        .writeArray([
          new Encoder()
            .writeString(topic)
            .writeArray(
              partitions.map((partition) =>
                new Encoder().writeInt32(partition).writeInt32(NO_EPOCH).writeInt64(timestamp),
              ),
            ),
        ]),
  };
}
