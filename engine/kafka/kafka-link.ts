import type { SASLOptions } from 'kafkajs';
import { MillraceError } from '../errors/millrace-error.ts';
import { decodeListOffsetsResponse, type ListedOffset } from './list-offsets-response.ts';
import { decodeFetchResponse, type FetchResponse } from './fetch-response.ts';
import {
  createCluster,
  encodeFetchRequest,
  encodeListOffsetsRequest,
  errorOfCode,
  type KafkaBroker,
  type KafkaCluster,
} from './kafkajs-internals.ts';

/** How to reach a Kafka cluster. */
export interface KafkaAddress {
  /** `host:port` of one or more brokers. */
  readonly brokers: readonly string[];
  /** True, or the options of `tls.connect`. */
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined;
  readonly sasl?: SASLOptions | undefined;
  readonly clientId: string;
}

export interface TopicLeaders {
  readonly clusterId: string;
  /** Partition to broker node, every partition of the topic; -1 where there is no leader now. */
  readonly leaders: ReadonlyMap<number, number>;
}

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
}

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;

/** Which bound of a partition is asked for; `real-end`: one past the last record there is, of open transactions too. */
export type Bound = 'first' | 'last' | 'real-end';
const TOPIC_RESOURCE = 2;

/** The APIs in use: the version range we can speak (research kafka.md §1.1). */
const REQUIRED_APIS = [
  { name: 'Fetch', key: 1, min: 11, max: 11 },
  { name: 'ListOffsets', key: 2, min: 5, max: 5 },
  { name: 'Metadata', key: 3, min: 4, max: 6 },
  { name: 'OffsetCommit', key: 8, min: 2, max: 5 },
  { name: 'FindCoordinator', key: 10, min: 0, max: 2 },
  { name: 'DescribeConfigs', key: 32, min: 0, max: 2 },
] as const;

/**
 * One set of connections to a Kafka cluster. It does not heal: after an error it is closed and another is opened, so nothing depends on
 * what kafkajs remembers across failures.
 */
export class KafkaLink {
  readonly #cluster: KafkaCluster;
  /** kafkajs keeps the metadata it was last given: of two calls at once, one would find the other's topic there. */
  #metadataTurn: Promise<unknown> = Promise.resolve();

  private constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
  }

  /** Connects to one of the bootstrap brokers, a different one first at each attempt. Throws kafkajs's errors, and `unsupported-broker`. */
  static async open(address: KafkaAddress, attempt: number): Promise<KafkaLink> {
    const turn = attempt % Math.max(address.brokers.length, 1);
    const cluster = createCluster({
      brokers: [...address.brokers.slice(turn), ...address.brokers.slice(0, turn)],
      ssl: address.ssl === true ? {} : address.ssl === false ? undefined : address.ssl,
      sasl: address.sasl,
      clientId: address.clientId,
      connectionTimeout: 3_000,
      requestTimeout: 10_000,
      enforceRequestTimeout: true,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      isolationLevel: READ_COMMITTED,
      retry: { retries: 0 },
    });
    const link = new KafkaLink(cluster);
    try {
      await cluster.connect();
      checkVersions(await cluster.brokerPool.findConnectedBroker(), address);
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }

  /** Fresh metadata of a topic. */
  topicLeaders(topic: string): Promise<TopicLeaders> {
    const answer = this.#metadataTurn.then(() => this.#askLeaders(topic));
    this.#metadataTurn = answer.catch(() => undefined); // the caller hears of it; the next one asks anew
    return answer;
  }

  async #askLeaders(topic: string): Promise<TopicLeaders> {
    const pool = this.#cluster.brokerPool;
    await pool.refreshMetadata([topic]);
    const found = pool.metadata?.topicMetadata.find((candidate) => candidate.topic === topic);
    if (found === undefined || found.partitionMetadata.length === 0) throw errorOfCode(3);
    const sorted = found.partitionMetadata.toSorted((a, b) => a.partitionId - b.partitionId);
    return {
      clusterId: pool.metadata?.clusterId ?? '',
      leaders: new Map(sorted.map((partition) => [partition.partitionId, partition.leader])),
    };
  }

  /**
   * First held, one past the last committed, or one past the last offset of each partition: never less than what was told before, whoever leads now. Throws
   * OFFSET_NOT_AVAILABLE (kafkajs's error) while a new leader cannot tell.
   */
  async listOffsets(topic: string, leaders: ReadonlyMap<number, number>, end: Bound): Promise<Map<number, number>> {
    const timestamp = end === 'first' ? -2 : -1;
    const isolationLevel = end === 'real-end' ? READ_UNCOMMITTED : READ_COMMITTED;
    const offsets = new Map<number, number>();
    await Promise.all(
      [...groupByLeader(leaders)].map(async ([nodeId, partitions]) => {
        const broker = await this.#cluster.brokerPool.findBroker({ nodeId });
        const listed = (await broker.connectionPool.send({
          request: encodeListOffsetsRequest({ isolationLevel, topic, partitions, timestamp }),
          response: {
            decode: async (payload: Buffer) => decodeListOffsetsResponse(payload),
            parse: async (decoded: unknown) => decoded,
          },
        })) as ListedOffset[];
        for (const { partition, errorCode, offset } of listed) {
          if (errorCode !== 0) throw errorOfCode(errorCode);
          offsets.set(partition, offset);
        }
      }),
    );
    return offsets;
  }

  /** The topic's `cleanup.policy`. */
  async cleanupPolicy(topic: string): Promise<string> {
    const broker = await this.#cluster.brokerPool.findConnectedBroker();
    const { resources } = await broker.describeConfigs({
      resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ['cleanup.policy'] }],
    });
    return (
      resources.flatMap((resource) => resource.configEntries).find((entry) => entry.configName === 'cleanup.policy')
        ?.configValue ?? 'delete'
    );
  }

  /** One Fetch request to one broker, read-committed unless told otherwise; partitions in the order given (the first one always makes progress). */
  async fetch(
    nodeId: number,
    topic: string,
    positions: readonly (readonly [number, number])[],
    limits: FetchLimits,
    isolation: 'committed' | 'uncommitted' = 'committed',
  ): Promise<FetchResponse> {
    const broker = await this.#cluster.brokerPool.findBroker({ nodeId });
    const request = encodeFetchRequest({
      replicaId: -1,
      maxWaitTime: limits.maxWaitMs,
      minBytes: 1,
      maxBytes: limits.maxBytes,
      isolationLevel: isolation === 'committed' ? READ_COMMITTED : READ_UNCOMMITTED,
      topics: [
        {
          topic,
          partitions: positions.map(([partition, offset]) => ({
            partition,
            fetchOffset: String(offset),
            maxBytes: limits.maxBytesPerPartition,
          })),
        },
      ],
    });
    const response = {
      decode: async (payload: Buffer) => decodeFetchResponse(payload),
      parse: async (decoded: unknown) => decoded,
    };
    const answer = (await broker.connectionPool.send({
      request,
      response,
      requestTimeout: limits.maxWaitMs + 10_000,
    })) as FetchResponse;
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode);
    return answer;
  }

  /** Commits group offsets as a reader outside any group generation. */
  async commitOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    await this.topicLeaders(topic); // a new cluster handle knows no brokers to ask
    const broker = await this.#cluster.findGroupCoordinator({ groupId });
    const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }));
    await broker.offsetCommit({ groupId, groupGenerationId: -1, memberId: '', topics: [{ topic, partitions }] });
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect();
  }
}

/** Broker node to the partitions it leads. Throws LEADER_NOT_AVAILABLE (kafkajs's error) where one has no leader. */
export function groupByLeader(leaders: ReadonlyMap<number, number>): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const [partition, nodeId] of leaders) {
    if (nodeId < 0) throw errorOfCode(5);
    const group = groups.get(nodeId);
    if (group === undefined) groups.set(nodeId, [partition]);
    else group.push(partition);
  }
  return groups;
}

function checkVersions(broker: KafkaBroker, address: KafkaAddress): void {
  const faults: string[] = [];
  for (const api of REQUIRED_APIS) {
    const range = broker.versions?.[api.key];
    if (range === undefined) faults.push(`${api.name}: not offered`);
    else if (range.minVersion > api.max || range.maxVersion < api.min) {
      faults.push(`${api.name}: offers ${range.minVersion} to ${range.maxVersion}, needed ${api.min} to ${api.max}`);
    }
  }
  if (faults.length === 0) return;
  throw new MillraceError(
    'unsupported-broker',
    `Kafka at ${address.brokers.join(',')} speaks other API versions: ${faults.join('; ')}`,
    {
      remedy: 'Use Kafka 2.4 or later, up to the versions Millrace is tested with (4.1).',
      httpStatus: 502,
    },
  );
}
