import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import type { RunPairsOptions } from '../../engine/pairs/pairs-options.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { pairRule } from '../pairs/pairs-world.ts';

/** Where a joiner may die. */
export type DeathPoint = Parameters<NonNullable<RunPairsOptions['failAt']>>[0];

/** What the parent passes as JSON. */
export interface PairsChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly labelSet: string;
  readonly topic: string;
  readonly attemptMs: number;
  /** Where it kills itself, the how manieth time it is there; null: its parent does. */
  readonly dieAt: { readonly point: DeathPoint; readonly time: number } | null;
}

// A process of its own that joins until it dies: each line of its output is a progress, or the result.
const config = JSON.parse(process.argv[2] ?? '') as PairsChildConfig;
const { brokers, dieAt } = config;
const reader = createKafkaLogReader({ brokers, clientId: 'child' });
let times = 0;
const result = await runPairs({
  rule: pairRule(config.labelSet),
  topic: config.topic,
  pool: createPool(config.databaseUrl, { max: 5, applicationName: 'pairs-child' }),
  reader,
  pairsReader: reader,
  writer: createKafkaLogWriter({ brokers, clientId: 'child' }),
  clock: systemClock,
  until: dieAt === null ? 'forever' : 'present-end',
  fence: { generation: 1, attemptMs: config.attemptMs, owner: `child-${process.pid}` },
  limits: {
    batchRecords: 20,
    batchMs: 0,
    sweepEveryMs: 0,
    progressEveryMs: 10,
    sender: { sendRecords: 10, pollMs: 20 },
  },
  failAt: async (point) => {
    if (point !== dieAt?.point || ++times < dieAt.time) return;
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => undefined);
  },
  onProgress: ({ records, pairs, sent }) => console.log(JSON.stringify({ records, pairs, sent })),
});
console.log(JSON.stringify(result));
process.exit(0);
