import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { compositeView } from '../stream/composite-view.ts';

/** What the parent passes as JSON. */
export interface BackfillChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly history: string;
  readonly spillDir: string;
  readonly build: string;
  readonly attemptMs: number;
}

// A process of its own that backfills until it is killed: each line of its output is a progress, or the result.
const config = JSON.parse(process.argv[2] ?? '') as BackfillChildConfig;
const { topic, history, build, attemptMs } = config;
const result = await runBackfill({
  view: await compositeView({ topic, history: { path: history, untilUs: null, disjoint: true } }),
  pool: createPool(config.databaseUrl, { max: 3, applicationName: 'backfill-child' }),
  reader: createKafkaLogReader({ brokers: config.brokers, clientId: 'child' }),
  spillDir: config.spillDir,
  clock: systemClock,
  builder: `child-${process.pid}`,
  attempt: { build, attemptMs },
  pace: { everyMs: 0, restFactor: 0 },
  onProgress: (progress) => console.log(JSON.stringify(progress)),
});
console.log(JSON.stringify(result));
process.exit(0);
