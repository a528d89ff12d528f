import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/create-activities.ts';
import { cloneWorkflows } from '../../operate/clone-workflows.ts';
import { batchQueueOf, streamQueueOf, trainQueueOf } from '../../workflows/task-queues.ts';
import { type LifecycleStatus, type Phase, statusQuery } from '../../workflows/feature-lifecycle/contract.ts';
import type { StackAddresses } from '../global-setup.ts';

const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error: console.error };
const EVERY_MS = 50;

/** A Temporal client and, while it runs, a worker in this process. */
export class LifecycleHarness {
  readonly client: Client;
  readonly namespace: string;
  /** Its own, so that test files and workers do not meet. */
  readonly taskQueue = `test-${randomUUID().slice(0, 8)}`;
  readonly #native: NativeConnection;
  readonly #connection: Connection;
  readonly #bundle: { readonly code: string };
  #running: { readonly workers: readonly Worker[]; readonly ended: Promise<unknown> } | null = null;

  private constructor(
    connection: Connection,
    native: NativeConnection,
    bundle: { readonly code: string },
    namespace: string,
  ) {
    this.#connection = connection;
    this.#native = native;
    this.#bundle = bundle;
    this.namespace = namespace;
    this.client = new Client({ connection, namespace, identity: 'test' });
  }

  static async open(stack: StackAddresses): Promise<LifecycleHarness> {
    Runtime.install({ logger: quiet });
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const native = await NativeConnection.connect({ address: stack.temporalAddress });
    const bundle = { code: await cloneWorkflows(quiet) };
    return new LifecycleHarness(connection, native, bundle, stack.temporalNamespace);
  }

  /** Runs a worker with these activities until `stopWorker`. `without`: of the release before that patch. */
  async startWorker(activities: Activities, without?: string): Promise<void> {
    const common = {
      connection: this.#native,
      namespace: this.namespace,
      activities,
      maxHeartbeatThrottleInterval: '200ms',
      identity: 'test',
    } as const;
    const workers = await Promise.all([
      Worker.create({
        ...common,
        taskQueue: this.taskQueue,
        workflowBundle: this.#bundle,
        ...(without === undefined
          ? {}
          : { patchActivationCallback: ({ patchId }: { readonly patchId: string }) => patchId !== without }),
      }),
      Worker.create({ ...common, taskQueue: batchQueueOf(this.taskQueue) }),
      Worker.create({ ...common, taskQueue: streamQueueOf(this.taskQueue) }),
      Worker.create({ ...common, taskQueue: trainQueueOf(this.taskQueue) }),
    ]);
    this.#running = { workers, ended: Promise.all(workers.map((worker) => worker.run())) };
  }

  async stopWorker(): Promise<void> {
    if (this.#running === null) return;
    for (const worker of this.#running.workers) worker.shutdown();
    await this.#running.ended;
    this.#running = null;
  }

  async close(): Promise<void> {
    await this.stopWorker();
    await this.#connection.close();
    await this.#native.close();
  }

  async start(view: string, options: Readonly<Record<string, unknown>> = {}): Promise<WorkflowHandle> {
    return await this.client.workflow.start('featureLifecycle', {
      workflowId: `feature:${view}`,
      taskQueue: this.taskQueue,
      args: [{ view, options }],
    });
  }

  async status(handle: WorkflowHandle): Promise<LifecycleStatus> {
    return await this.client.workflow.getHandle(handle.workflowId).query(statusQuery);
  }

  /** Waits until the lifecycle is in a phase; fails when it fails instead. */
  async reach(handle: WorkflowHandle, ...phases: Phase[]): Promise<LifecycleStatus> {
    return await this.until(handle, (status) => {
      if ((status.phase === 'failed' || status.phase === 'built') && !phases.includes(status.phase))
        throw new Error(`failed: ${JSON.stringify(status.error)}`);
      return phases.includes(status.phase);
    });
  }

  async until(handle: WorkflowHandle, condition: (status: LifecycleStatus) => boolean): Promise<LifecycleStatus> {
    for (;;) {
      const status = await this.status(handle);
      if (condition(status)) return status;
      await delay(EVERY_MS);
    }
  }
}

/** The page in Temporal's UI. */
export async function pageOf(handle: WorkflowHandle): Promise<string> {
  const metadata = await handle.query<{ readonly currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

/** Polls until `condition` gives something; the test's own timeout bounds it. */
export async function eventually<T>(
  condition: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  for (;;) {
    const value = await condition();
    if (value !== null && value !== undefined && value !== false) return value;
    await delay(EVERY_MS);
  }
}

/** A view name no other test uses. */
export function uniqueView(name: string): string {
  return `${name}_${randomUUID().slice(0, 8)}`;
}
