import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { pairRule } from './pairs-world.ts';

/** What the parent passes as JSON. */
export interface PairsChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly labelSet: string;
  readonly attemptMs: number;
}

// A process of its own that joins until it is killed: each line of its output is a progress.
const { databaseUrl, brokers, labelSet, attemptMs } = JSON.parse(process.argv[2] ?? '') as PairsChildConfig;
const reader = createKafkaLogReader({ brokers, clientId: 'child' });
await runPairs({
  rule: pairRule(labelSet, '20s'),
  topic: `${labelSet}.pairs`,
  pool: createPool(databaseUrl, { max: 6, applicationName: 'pairs-child' }),
  reader,
  pairsReader: reader,
  writer: createKafkaLogWriter({ brokers, clientId: 'child' }),
  clock: systemClock,
  until: 'forever',
  fence: { generation: 1, attemptMs, owner: `child-${process.pid}` },
  limits: { batchRecords: 20, batchMs: 1, progressEveryMs: 5, sender: { sendRecords: 7 } },
  onProgress: (progress) => console.log(JSON.stringify(progress)),
});
process.exit(0);
