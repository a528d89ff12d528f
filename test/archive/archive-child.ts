import { runArchive } from '../../engine/archive/run-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { spendingView } from '../stream/stream-view.ts';

/** What the parent passes as JSON. */
export interface ChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly archiveDir: string;
  readonly attemptMs: number;
}

// A process of its own that archives until it is killed: each line of its output is a progress.
const { databaseUrl, brokers, topic, archiveDir, attemptMs } = JSON.parse(process.argv[2] ?? '') as ChildConfig;
await runArchive({
  source: spendingView({ topic }).source,
  reader: createKafkaLogReader({ brokers, clientId: 'child' }),
  pool: createPool(databaseUrl, { max: 3, applicationName: 'archive-child' }),
  archiveDir,
  fence: { generation: 1, attemptMs, owner: `child-${process.pid}` },
  until: 'forever',
  clock: systemClock,
  roll: { rows: 300 },
  limits: { progressEveryMs: 5 },
  onProgress: (progress) => console.log(JSON.stringify(progress)),
});
