import { createHash } from 'node:crypto';
import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { cacheDirectory } from '../engine/installation/cache-directory.ts';
import { installed, installOnce } from './cache-dir.ts';
import { findOnPath } from './find-tool.ts';
import type { OnProgress } from './progress.ts';
import { runStep } from './run-step.ts';

const KAFKA_VERSION = '4.1.0';

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
`;

const COPY_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

const CACHE_KEY = `kafka-${KAFKA_VERSION}-${createHash('sha256').update(POM).digest('hex').slice(0, 8)}`;

/** True if Kafka's jars are in the cache, so that Maven is not needed. */
export function kafkaIsInstalled(variables: NodeJS.ProcessEnv): boolean {
  return installed(CACHE_KEY, cacheDirectory(variables)) !== null;
}

/**
 * The folder of Kafka's jars, brought by Maven the first time (about 43 MB).
 *
 * @throws MillraceError `missing-tools`, `stack-step-failed`
 */
export async function kafkaJars(
  variables: NodeJS.ProcessEnv,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<string> {
  const cacheDir = cacheDirectory(variables);
  const folder = await installOnce(
    CACHE_KEY,
    async (temporary) => {
      const maven = findOnPath('mvn', variables);
      if (maven === null) {
        throw new MillraceError('missing-tools', 'mvn is not on PATH: it fetches Kafka the first time', {
          remedy: 'Install Maven, or set KAFKA_BROKERS to a Kafka that runs already.',
          httpStatus: 500,
        });
      }
      // Without a home of its own the user has no repository there: this one then goes away again.
      const repository = join(temporary, 'repository');
      const pom = join(temporary, 'pom.xml');
      writeFileSync(pom, POM);
      onProgress(`kafka: fetching ${KAFKA_VERSION} with Maven (about 43 MB, once)`);
      await runStep({
        name: 'maven',
        command: maven,
        args: [
          '-B',
          '-ntp',
          '-f',
          pom,
          ...(isWritable(homedir()) ? [] : [`-Dmaven.repo.local=${repository}`]),
          COPY_DEPENDENCIES,
          `-DoutputDirectory=${join(temporary, 'libs')}`,
          '-DincludeScope=runtime',
        ],
        env: childEnvironment(variables, {}, 'fetch'),
        cwd: temporary,
        logFile: join(cacheDir, 'logs', 'maven.log'),
        onProgress,
        line: (seconds) => `kafka: fetching ${KAFKA_VERSION} with Maven, ${seconds} s so far`,
        remedy:
          'Check that Maven reaches its repository (~/.m2/settings.xml), or set KAFKA_BROKERS to a Kafka that runs already.',
        signal,
      });
      rmSync(repository, { recursive: true, force: true });
    },
    { onProgress, cacheDir, signal },
  );
  return join(folder, 'libs');
}

/** True if this user may write in the directory. */
export function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
