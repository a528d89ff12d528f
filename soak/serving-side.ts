import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { systemClock } from '../engine/values/clock.ts';
import { createKafkaLogWriter } from '../engine/kafka/kafkajs-log-writer.ts';
import { createClient, type FeatureClient } from '../engine/online/client.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import { startApi } from '../serving/start-api.ts';

const POLL_MS = 50;
/** Reads that fit while the broker is away: more than are made in a minute of the fastest plan. */
const MOST_BUFFERED = 200_000;

/** What reads are made through: a typed client and the API, both logging every read. */
export interface ServingSide {
  readonly client: FeatureClient;
  readonly apiUrl: string;
  readonly servingLog: ServingLog;
  /** Resolves when every read made so far is in the log. */
  logged(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface ServingSideOptions {
  readonly pool: pg.Pool;
  readonly brokers: readonly string[];
  readonly servedTopic: string;
  readonly definitions: Definitions;
}

/** Starts both; nothing is left open where the API does not start. */
export async function startServing(options: ServingSideOptions): Promise<ServingSide> {
  const { pool, brokers, servedTopic, definitions } = options;
  const servingLog = new ServingLog({
    writer: createKafkaLogWriter({ brokers, clientId: 'millrace-soak' }),
    topic: servedTopic,
    clock: systemClock,
    logId: randomUUID(),
    sample: 1,
    maxBuffered: MOST_BUFFERED,
    maxBufferedBytes: 1024 ** 3,
    retryForMs: 300_000,
    ownsWriter: true,
  });
  try {
    const client = createClient({ pool, servingLog });
    const api = await startApi({ pool, definitions, servingLog });
    return {
      client,
      apiUrl: api.url,
      servingLog,
      logged: async (signal) => {
        while (servingLog.figures.buffered > 0) await delay(POLL_MS, undefined, { signal });
      },
      close: async () => {
        await api.close();
        await client.close();
        await servingLog.close();
      },
    };
  } catch (error) {
    await servingLog.close();
    throw error;
  }
}
