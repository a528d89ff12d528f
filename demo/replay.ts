import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../engine/installation/child-environment.ts';
import { internalBug } from '../engine/errors/millrace-error.ts';
import { ownModule } from '../engine/installation/own-module.ts';

interface ProducerMessage {
  readonly ready?: boolean;
  readonly flights?: number;
  readonly sent?: number;
  readonly done?: boolean;
}

/** The producer process and the conversation with it. */
export class Replay {
  readonly #child: ChildProcess;
  #sent = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Forks the producer; resolves when it is connected and has June in memory. */
  static async start(options: {
    junePath: string;
    topic: string;
    brokers: readonly string[];
    spillDir: string;
    /** Ends the producer, even one that is not connected yet. */
    signal: AbortSignal;
  }): Promise<Replay> {
    const child = fork(
      fileURLToPath(ownModule('./producer', import.meta.url)),
      [options.junePath, options.topic, options.brokers.join(','), options.spillDir],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        env: childEnvironment(process.env, { KAFKAJS_NO_PARTITIONER_WARNING: '1', NODE_NO_WARNINGS: '1' }),
        signal: options.signal,
      },
    );
    // Who waits for a message hears of it; an abort while nobody does is the caller's own.
    child.on('error', () => undefined);
    const replay = new Replay(child);
    await replay.#message();
    return replay;
  }

  /** Flights sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends every flight before `untilUs`; resolves when the broker has acknowledged them. */
  async until(untilUs: number): Promise<{ done: boolean }> {
    const answer = this.#message();
    this.#child.send({ untilUs });
    const { sent = 0, done = false } = await answer;
    this.#sent += sent;
    return { done };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  #message(): Promise<ProducerMessage> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(internalBug(`the demo's producer ended with code ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('error', reject);
      this.#child.once('message', (message: ProducerMessage) => {
        this.#child.off('exit', onExit);
        this.#child.off('error', reject);
        resolve(message);
      });
    });
  }
}
