import type { TestProject } from 'vitest/node';
import { startTestStack } from '../stack/test-stack.ts';

/** Where the services of this test run are; `inject('stack')` in a test. */
export interface StackAddresses {
  readonly databaseUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly temporalUiUrl: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly stack: StackAddresses;
  }
}

/** Starts one real stack for the whole run, in a folder of its own, and takes it down afterwards. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stack = await startTestStack((line) => process.stderr.write(`${line}\n`));
  project.provide('stack', {
    databaseUrl: stack.databaseUrl,
    kafkaBrokers: [...stack.kafka.brokers],
    temporalAddress: stack.temporal.address,
    temporalNamespace: stack.temporal.namespace,
    temporalUiUrl: stack.temporal.uiUrl,
  });
  return () => stack.stop();
}
