import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { findJava, findOnPath } from './find-tool.ts';
import { kafkaIsInstalled } from './kafka-install.ts';
import { locatePackage } from './postgres-binaries.ts';
import type { OnProgress } from './progress.ts';
import { temporalIsInstalled } from './temporal-executable.ts';

const OLDEST_JAVA = 17;

/**
 * Checks, before anything starts, that the tools a local start needs are there; one line for each that is not.
 *
 * @throws MillraceError `package-missing`, `missing-tools` naming all that nothing can replace
 */
export async function checkTools(
  services: ReadonlySet<string>,
  variables: NodeJS.ProcessEnv,
  onProgress: OnProgress,
): Promise<void> {
  if (services.has('postgres')) locatePackage();
  const missing: string[] = [];
  if (services.has('kafka')) {
    const instead = 'or set KAFKA_BROKERS to a Kafka that runs already (compose.yaml has one)';
    const java = findJava(variables);
    if (java === null) {
      missing.push(
        `java: runs Kafka. Install a Java runtime ${OLDEST_JAVA}+ (apt install openjdk-17-jre-headless, brew install openjdk), ${instead}.`,
      );
    } else {
      const version = await javaVersion(java, variables);
      if (version !== null && version < OLDEST_JAVA) {
        missing.push(
          `java: runs Kafka, which needs ${OLDEST_JAVA} or newer; ${java} is ${version}. Set JAVA_HOME to a newer one, ${instead}.`,
        );
      }
    }
    if (!kafkaIsInstalled(variables) && findOnPath('mvn', variables) === null) {
      missing.push(`mvn: fetches Kafka, once. Install Maven (apt install maven, brew install maven), ${instead}.`);
    }
  }
  if (services.has('temporal') && !temporalIsInstalled(variables) && findOnPath('go', variables) === null) {
    onProgress(
      "go: builds Temporal's CLI, once; without it the SDK downloads it. Or install the CLI (brew install temporal) or Go, or set TEMPORAL_ADDRESS (compose.yaml has one).",
    );
  }
  if (missing.length === 0) return;
  throw new MillraceError('missing-tools', `the local stack lacks:\n${missing.map((line) => `  ${line}`).join('\n')}`, {
    remedy: 'Install what is named above, or point the named variable at a running service.',
    httpStatus: 500,
    details: { tools: missing },
  });
}

/** The major version, or null if it cannot be told. */
async function javaVersion(java: string, variables: NodeJS.ProcessEnv): Promise<number | null> {
  try {
    const { stderr } = await promisify(execFile)(java, ['-version'], { env: childEnvironment(variables) });
    const match = /version "(?:1\.)?(\d+)/.exec(stderr);
    return match ? Number(match[1]) : null;
  } catch {
    return null;
  }
}
