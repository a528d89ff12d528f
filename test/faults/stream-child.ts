import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { compositeView } from '../stream/composite-view.ts';

/** What the parent passes as JSON. */
export interface ChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly version: number;
  readonly attemptMs: number;
}

// A process of its own that streams until it is killed: each line of its output is a progress, or the result.
const config = JSON.parse(process.argv[2] ?? '') as ChildConfig;
const result = await runStream({
  view: await compositeView({ topic: config.topic }),
  version: config.version,
  pool: createPool(config.databaseUrl, { max: 3, applicationName: 'stream-child' }),
  reader: createKafkaLogReader({ brokers: config.brokers, clientId: 'child' }),
  clock: systemClock,
  until: 'forever',
  fence: { generation: 1, attemptMs: config.attemptMs, owner: `child-${process.pid}` },
  limits: { batchRecords: 50, maxBatchRecords: 100, progressEveryMs: 10 },
  onProgress: (progress) => console.log(JSON.stringify(progress)),
});
console.log(JSON.stringify(result));
process.exit(0);
