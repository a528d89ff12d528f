import { rmSync } from 'node:fs';
import kafkajs, { type Admin, Kafka, logLevel } from 'kafkajs';
import type { KafkaSettings } from '../../config/environment.ts';
import { freePort } from '../../stack/free-port.ts';
import { startKafka } from '../../stack/kafka.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';

/** A broker that lets its users do only what they were granted. */
export interface RestrictedKafka {
  /** Where whoever comes may do everything. */
  readonly open: KafkaSettings;
  /** Where one is the user `worker`. */
  readonly closed: KafkaSettings & { readonly sasl: { readonly username: string; readonly password: string } };
  readonly admin: Admin;
  /** Lets `worker` do these with topics whose names begin so. */
  grant(prefix: string, operations: readonly (keyof typeof OPERATIONS)[]): Promise<void>;
  stop(): Promise<void>;
}

const OPERATIONS = { read: 3, write: 4, describe: 8, describeConfigs: 10 } as const;
const USER = 'worker';
const PASSWORD = 'of-the-worker';

/** A real Kafka of its own with an authorizer: one listener for its administrator, one with SASL. */
export async function startRestrictedKafka(): Promise<RestrictedKafka> {
  const dataDir = temporaryDataDir();
  const port = await freePort();
  const jaas = `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="none" user_${USER}="${PASSWORD}";`;
  const kafka = await startKafka({
    dataDir,
    onProgress: () => undefined,
    alter: (ours) => ({
      ...ours,
      listeners: `${ours['listeners']},CLOSED://127.0.0.1:${port}`,
      'advertised.listeners': `${ours['advertised.listeners']},CLOSED://127.0.0.1:${port}`,
      'listener.security.protocol.map': `${ours['listener.security.protocol.map']},CLOSED:SASL_PLAINTEXT`,
      'listener.name.closed.sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.closed.plain.sasl.jaas.config': jaas,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Brokers, controllers and the administrator: those of the other listeners say no name.
      'super.users': 'User:ANONYMOUS',
    }),
  });
  const open = { brokers: kafka.brokers };
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  return {
    open,
    closed: {
      brokers: [`127.0.0.1:${port}`],
      sasl: { mechanism: 'plain', username: USER, password: PASSWORD },
    },
    admin,
    grant: async (prefix, operations) => {
      await admin.createAcls({
        acl: operations.map((operation) => ({
          resourceType: kafkajs.AclResourceTypes.TOPIC,
          resourceName: prefix,
          resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED,
          principal: `User:${USER}`,
          host: '*',
          operation: OPERATIONS[operation],
          permissionType: kafkajs.AclPermissionTypes.ALLOW,
        })),
      });
    },
    stop: async () => {
      await admin.disconnect();
      await kafka.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
