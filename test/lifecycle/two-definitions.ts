import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { createActivities } from '../../activities/create-activities.ts';
import { sendCommand, startLifecycle, tellApplied } from '../../cli/lifecycle-client.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { LifecycleOptions } from '../../workflows/feature-lifecycle/contract.ts';
import type { StackAddresses } from '../global-setup.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

/** A view with clicks, and two definitions of it, whose code a worker in this process has: both, as a store of bundles has them. */
export class TwoDefinitions {
  readonly harness: LifecycleHarness;
  readonly world: ClicksWorld;
  readonly #second: Definitions;
  readonly #spillDir: string;
  /** What the view is to be. */
  #desired: Definitions;

  private constructor(
    harness: LifecycleHarness,
    world: ClicksWorld,
    of: readonly [Definitions, Definitions],
    spillDir: string,
  ) {
    this.harness = harness;
    this.world = world;
    [this.#desired, this.#second] = of;
    this.#spillDir = spillDir;
  }

  /** @param extra code of what the second has beside the first */
  static async open(stack: StackAddresses, extra: string): Promise<TwoDefinitions> {
    const harness = await LifecycleHarness.open(stack);
    const world = await ClicksWorld.open(stack, harness.taskQueue);
    world.writeHistory(world.make(2_000));
    await world.send(world.make(500));
    return TwoDefinitions.of(stack, harness, world, [world.definition(''), world.definition(extra)]);
  }

  /** Over what the world holds; `texts` are the code of the two. */
  static async of(
    stack: StackAddresses,
    harness: LifecycleHarness,
    world: ClicksWorld,
    texts: readonly [string, string],
  ): Promise<TwoDefinitions> {
    const folder = join(world.folder, 'features');
    world.write(texts[0]);
    const first = await loadDefinitions(folder);
    world.write(texts[1]);
    const second = await loadDefinitions(folder);
    const spillDir = await mkdtemp(join(tmpdir(), 'millrace-two-'));
    const two = new TwoDefinitions(harness, world, [first, second], spillDir);
    const kafka = { brokers: [...stack.kafkaBrokers], clientId: 'test', clock: systemClock };
    const reader = createKafkaLogReader(kafka);
    const deps: ActivityDeps = {
      get definitions() {
        return two.#desired;
      },
      code: codeOf([...first.views.values(), ...second.views.values()]),
      pool: world.pool,
      reader,
      topicReader: reader,
      archiveDir: join(world.folder, 'archive'),
      servedTopic: world.servedTopic,
      clock: systemClock,
      spillDir,
      roots: null,
      memory: processMemory(),
      identity: 'test',
    };
    await harness.startWorker(createActivities(deps));
    return two;
  }

  get lifecycle(): WorkflowHandle {
    return this.harness.client.workflow.getHandle(`feature:${this.world.view}`);
  }

  /** The first one's version is served, and streams. */
  async stream(options: Partial<LifecycleOptions>): Promise<void> {
    const { client, taskQueue } = this.harness;
    await startLifecycle(client, this.world.view, options, taskQueue);
    await this.harness.reach(this.lifecycle, 'published');
    await sendCommand(client, this.world.view, 'promote');
    await this.harness.reach(this.lifecycle, 'streaming');
  }

  /** Makes the second what the view is to be, and gives its fingerprint; false where no lifecycle was there to be told. */
  async applySecond(): Promise<string | false> {
    const fingerprint = this.desireSecond();
    return (await tellApplied(this.harness.client, this.world.view, { applyNumber: 1, fingerprint })) && fingerprint;
  }

  /** Makes the second what the view is to be, tells nobody, and gives its fingerprint. */
  desireSecond(): string {
    this.#desired = this.#second;
    return this.#second.views.get(this.world.view)!.fingerprint;
  }

  /** Waits until what is served is what all clicks come to. */
  async servedInFull(): Promise<void> {
    const expected = JSON.stringify(this.world.expected());
    await eventually(async () => JSON.stringify(await this.world.served()) === expected);
  }

  async close(): Promise<void> {
    await this.harness.close();
    await this.world.close();
    rmSync(this.#spillDir, { recursive: true, force: true });
  }
}
