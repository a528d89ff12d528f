import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { createClient } from '../../engine/online/client.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { decisions, outcomes } from '../../index.ts';

/** What the parent passes as JSON. */
export interface DecideChildConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly decisionsTopic: string;
  readonly outcomesTopic: string;
  /** What its ids begin with. */
  readonly life: string;
}

// A process of its own that decides until it is killed: each line of its output is the ids that were acknowledged together.
const config = JSON.parse(process.argv[2] ?? '') as DecideChildConfig;
const choices = decisions('choices', { context: z.object({ turn: z.int() }), topic: config.decisionsTopic });
const clicks = outcomes('clicks', { value: z.boolean(), topic: config.outcomesTopic });
const kafka = createKafkaLogWriter({ brokers: config.brokers, clientId: 'child' });
const client = createClient({
  pool: createPool(config.databaseUrl, { max: 1, applicationName: 'decide-child' }),
  decisions: {
    writer: {
      async send(topic, records) {
        await kafka.send(topic, records);
        const ids = records.map(({ value }) => {
          const { outcome_id, decision_id } = JSON.parse(Buffer.from(value).toString()) as Record<string, string>;
          return outcome_id ?? decision_id;
        });
        // At once: what is written later is not there when it is killed.
        writeSync(1, `${ids.join(' ')}\n`);
      },
      close: () => kafka.close(),
    },
    flushMs: 5,
  },
});
for (let turn = 0; ; turn++) {
  for (let n = 0; n < 20; n++) {
    const id = client.decide(choices, { id: `${config.life}-d${turn}-${n}`, action: 'go', context: { turn } });
    client.outcome(clicks, { id: `${config.life}-o${turn}-${n}`, decision: id, name: 'click', value: n % 2 === 0 });
  }
  await delay(2);
}
