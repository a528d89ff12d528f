import { CancellationScope, log, patched, workflowInfo } from '@temporalio/workflow';
import { noting } from './activity-profiles.ts';

/** Whom a command is from, as the CLI sends it with one; the Temporal UI sends nothing. */
export interface CommandOrigin {
  readonly actor: string;
}

/** A command as it is noted: what the activity `noteEvent` takes. */
export interface NotedCommand {
  /** Tells a repetition of the activity. */
  readonly said: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly input: Readonly<Record<string, string | number | boolean | null>>;
  readonly result: Readonly<Record<string, string | number | boolean | null>>;
  readonly atMs: number;
}

/** Who is named where nobody says who they are. */
export const SOMEBODY = 'temporal-ui';

const MOST_ACTOR_CHARS = 200;
/** Marks, in a run's history, that commands are noted. */
const NOTED = 'audit-events';

/**
 * Notes who asked this workflow for what, beside its work: no command waits for the database. Each is tried until it stands there, and the run does not end
 * before.
 */
export class NotedCommands {
  readonly #subject: string;
  readonly #onNoted: () => void;
  #open = 0;
  #count = 0;

  /** @param onNoted called whenever one stands in the database */
  constructor(subject: string, onNoted: () => void) {
    this.#subject = subject;
    this.#onNoted = onNoted;
  }

  /** Whether nothing is left to note. */
  get isDone(): boolean {
    return this.#open === 0;
  }

  /**
   * Notes a command that was accepted.
   *
   * @param origin as it came: anything
   */
  note(action: string, origin: unknown, input: NotedCommand['input'], result: NotedCommand['result']): void {
    if (!patched(NOTED)) return;
    this.#open++;
    const command: NotedCommand = {
      said: `${workflowInfo().runId} ${++this.#count}`,
      actor: actorOf(origin),
      action,
      subject: this.#subject,
      input,
      result,
      atMs: Date.now(),
    };
    void this.#say(command);
  }

  /** Notes that the workflow was started, in its first run. */
  noteStart(input: NotedCommand['input']): void {
    const { memo, continuedFromExecutionRunId } = workflowInfo();
    if (continuedFromExecutionRunId === undefined) this.note('start', memo, input, { outcome: 'accepted' });
  }

  async #say(command: NotedCommand): Promise<void> {
    try {
      await CancellationScope.nonCancellable(() => noting(`note: ${command.action} by ${command.actor}`)(command));
    } catch (error) {
      // Tried for as long as it may pass: what does not is a fault of ours, and no reason to stop the view.
      log.error('a command could not be noted', { command, error });
    } finally {
      this.#open--;
      this.#onNoted();
    }
  }
}

/** Who is named for a command, whatever came as its origin. */
export function actorOf(origin: unknown): string {
  const actor = typeof origin === 'object' && origin !== null && 'actor' in origin ? origin.actor : undefined;
  return typeof actor === 'string' && actor !== '' ? actor.slice(0, MOST_ACTOR_CHARS) : SOMEBODY;
}
