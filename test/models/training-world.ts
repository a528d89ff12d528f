import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { startLifecycle } from '../../cli/lifecycle-client.ts';
import type { TrainInput } from '../../workflows/train-model/contract.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import type { StackAddresses } from '../global-setup.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';

/** A view that is served, labels, a folder of code, and a worker that may run it. */
export class TrainingWorld {
  readonly clicks: ClicksWorld;
  readonly client: Client;
  readonly #connection: Connection;

  private constructor(clicks: ClicksWorld, connection: Connection, namespace: string) {
    this.clicks = clicks;
    this.#connection = connection;
    this.client = new Client({ connection, namespace });
  }

  static async open(stack: StackAddresses): Promise<TrainingWorld> {
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const clicks = await ClicksWorld.open(stack, `train-${randomUUID().slice(0, 8)}`);
    const world = new TrainingWorld(clicks, connection, stack.temporalNamespace);
    clicks.writeHistory(clicks.make(300));
    const lines = clicks.clicks.map(({ person, at }, index) => `${person},${at},${index % 2}\n`);
    writeFileSync(world.spine, `person,event_timestamp,late\n${lines.join('')}`);
    mkdirSync(world.codeDir);
    await world.startWorker();
    await startLifecycle(world.client, clicks.view, { catchUpLag: 0 }, clicks.taskQueue);
    await eventually(async () => {
      const lifecycle = world.client.workflow.getHandle(`feature:${clicks.view}`);
      const { phase } = await lifecycle.query<{ readonly phase: string }>('status').catch(() => ({ phase: '' }));
      if (phase === 'failed') throw new Error('the view was not built');
      return phase === 'published';
    });
    return world;
  }

  get spine(): string {
    return join(this.clicks.folder, 'labels.csv');
  }

  get codeDir(): string {
    return join(this.clicks.folder, 'code');
  }

  get archiveDir(): string {
    return join(this.clicks.folder, 'archive');
  }

  get variables(): NodeJS.ProcessEnv {
    return {
      ...this.clicks.variables,
      MILLRACE_TRAINING_DIR: this.codeDir,
      MILLRACE_ACTOR: 'ana',
      MILLRACE_SPILL_DIR: join(this.clicks.folder, 'spill'),
    };
  }

  async startWorker(more: NodeJS.ProcessEnv = {}): Promise<void> {
    await this.clicks.startWorker({ ...this.variables, ...more });
  }

  /** A folder of code with a Node script in it. */
  script(name: string, text: string): string {
    mkdirSync(join(this.codeDir, name), { recursive: true });
    writeFileSync(join(this.codeDir, name, 'train.mjs'), text);
    return name;
  }

  input(model: string, workdir: string, more: Partial<TrainInput> = {}): TrainInput {
    return {
      model,
      service: `${this.clicks.view}_service`,
      spine: this.spine,
      command: ['node', 'train.mjs'],
      workdir,
      ...more,
    };
  }

  async start(input: TrainInput): Promise<WorkflowHandle> {
    return await this.client.workflow.start('trainModel', {
      workflowId: `train:${input.model}`,
      taskQueue: this.clicks.taskQueue,
      args: [input],
      memo: { actor: 'ana' },
    });
  }

  async close(): Promise<void> {
    await this.clicks.close();
    await this.#connection.close();
  }
}

/** A model: the numbers of rows and columns of its set, which it reads of the manifest, and how late clicks are. */
export const TRAINS = `import { readFileSync, statSync, writeFileSync } from 'node:fs';
const { env } = process;
const manifest = JSON.parse(readFileSync(env.MILLRACE_MANIFEST, 'utf8'));
for (let epoch = 1; epoch <= 3; epoch++) console.log('epoch', epoch);
const columns = manifest.views.flatMap((view) => view.features.map((feature) => feature.column));
const model = { rows: manifest.rows, columns, bytes: statSync(env.MILLRACE_TRAINING_SET).size };
writeFileSync(env.MILLRACE_MODEL_OUT, JSON.stringify(model));
writeFileSync(env.MILLRACE_METRICS_OUT, JSON.stringify({ logLoss: 0.4, logLossBase: 0.69 }));
`;
