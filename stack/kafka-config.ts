import { join } from 'node:path';

export interface KafkaLayout {
  readonly brokerPort: number;
  readonly controllerPort: number;
  /** Holds the log segments. */
  readonly logDir: string;
  /** Receives warnings and errors. */
  readonly warningFile: string;
}

/** Settings of a broker, by name. */
export type BrokerSettings = Readonly<Record<string, string>>;

/** Those of one node that is broker and controller at once, reachable from this machine only. */
export function serverSettings(layout: KafkaLayout): BrokerSettings {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${layout.controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${layout.brokerPort},CONTROLLER://127.0.0.1:${layout.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${layout.brokerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': layout.logDir,
    // A misspelt topic is an error, not a new topic.
    'auto.create.topics.enable': 'false',
    // The log is the truth: nothing in it expires unless a topic says so.
    'log.retention.ms': '-1',
    'num.partitions': '1',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    // The default of 128 MB is a quarter of this JVM's heap.
    'log.cleaner.dedupe.buffer.size': '16777216',
  };
}

/** Log4j's configuration: warnings into one rolling file. */
export function loggingProperties(layout: KafkaLayout): string {
  return propertiesOf({
    status: 'error',
    'appender.file.type': 'RollingFile',
    'appender.file.name': 'file',
    'appender.file.fileName': layout.warningFile,
    'appender.file.filePattern': `${layout.warningFile}.%i`,
    'appender.file.layout.type': 'PatternLayout',
    'appender.file.layout.pattern': '%d{ISO8601} %-5p %m (%c)%n',
    'appender.file.policies.type': 'Policies',
    'appender.file.policies.size.type': 'SizeBasedTriggeringPolicy',
    'appender.file.policies.size.size': '10MB',
    'appender.file.strategy.type': 'DefaultRolloverStrategy',
    'appender.file.strategy.max': '1',
    'rootLogger.level': 'warn',
    'rootLogger.appenderRef.file.ref': 'file',
  });
}

/** The JVM's arguments before the main class. */
export function javaArguments(jars: string, loggingFile: string, temporaryDir: string): readonly string[] {
  return [
    '-Xms128m',
    '-Xmx512m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    '-XX:-UsePerfData',
    '-Djava.awt.headless=true',
    // Its libraries unpack native code there, and leave it when they are killed.
    `-Djava.io.tmpdir=${temporaryDir}`,
    `-Dlog4j2.configurationFile=file:${loggingFile}`,
    '-cp',
    join(jars, '*'),
  ];
}

/** The text of a properties file. */
export function propertiesOf(values: BrokerSettings): string {
  // In a properties file a backslash escapes; a path of ours may hold one.
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}`);
  return `${lines.join('\n')}\n`;
}
