import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { Decisions } from '../define/decisions.ts';
import type { Outcomes } from '../define/outcomes.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { InstallationNames } from '../installation/installation-names.ts';
import { BufferedLog, type BufferSettings, type DropReason, type Held } from '../topic/buffered-log.ts';
import type { LogWriter, RecordToWrite } from '../topic/log-writer.ts';
import type { Clock } from '../values/clock.ts';
import type { Assignment } from './assignment-told.ts';
import {
  decisionFields,
  type DecisionSaid,
  type DecisionSaidOf,
  outcomeFields,
  type OutcomeSaid,
  type OutcomeSaidOf,
} from './decision-said.ts';
import { decisionRead, type ReadFacts } from './read-facts.ts';
import { saidKey, saidOfCompiled, type SaidSource, saidSource } from './said-source.ts';
import { uuidV7 } from './uuid-v7.ts';
import { type VariantFigures, VariantTallies, type VariantTally } from './variant-tallies.ts';

/** Why something that was said is not on its topic; `invalid`: it breaks its contract. */
export type SaidDropReason = DropReason | 'invalid';

/** Told of what is not on its topic. */
export interface SaidDrop {
  readonly source: string;
  readonly reason: SaidDropReason;
  readonly records: number;
  /** Of `invalid` a MillraceError `invalid-decision` with every reason. */
  readonly cause: unknown;
}

export interface SaidFigures {
  readonly says: 'decisions' | 'outcomes';
  /** Acknowledged by the log. */
  readonly sent: number;
  readonly dropped: Readonly<Record<SaidDropReason, number>>;
  /** Waiting, those being sent included. */
  readonly buffered: number;
}

export interface DecisionLogFigures {
  /** By the name of the source. */
  readonly sources: Readonly<Record<string, SaidFigures>>;
  /** Of decisions that name a rollout. */
  readonly variants: readonly VariantFigures[];
}

export interface DecisionLogOptions extends BufferSettings {
  readonly writer: LogWriter;
  /** Whose topics they are, where a source names none. */
  readonly installation: InstallationNames;
  readonly clock: Clock;
  /** Unique per process: what drops are told by. */
  readonly logId: string;
  /** Makes ids. Default: UUIDs of version 7. */
  readonly newId?: (() => string) | undefined;
  /** Told of drops, in the background, some time after them. Must not throw. */
  readonly onDrop?: ((drop: SaidDrop) => void) | undefined;
  /** Whether closing the log closes the writer. Default false. */
  readonly ownsWriter?: boolean | undefined;
}

interface Waiting extends Held {
  readonly key: string;
  /** Its JSON, without the brace it ends with. */
  readonly head: string;
  readonly timestampMs: number;
  readonly tally: VariantTally | null;
  readonly onEnd: ((dropped: DropReason | null) => void) | undefined;
}

interface Topic {
  readonly source: SaidSource;
  readonly buffer: BufferedLog<Waiting>;
  invalid: number;
}

/** A waiting record beside its texts. */
const OBJECT_BYTES = 240;

/**
 * The log of what was decided, and of what came of it. Nobody waits for it and nobody fails for it: what does not fit the buffer, breaks its contract
 * or cannot be sent is dropped and counted. Decisions and outcomes are one log; each source has a buffer of its own.
 *
 * @example
 * const log = new DecisionLog({ writer, installation: installationNames(), clock: systemClock, logId: randomUUID() });
 * const id = log.decide(offers, { action: 'ten-percent', context: { shop: 'north' } });
 * log.outcome(clicks, { decision: id, name: 'click', value: true });
 * await log.close();
 */
export class DecisionLog {
  readonly #options: DecisionLogOptions;
  readonly #newId: () => string;
  readonly #topics = new Map<Decisions | Outcomes | CompiledSource, Topic>();
  readonly #tallies = new VariantTallies();
  readonly #facts = new WeakMap<object, readonly ReadFacts[]>();
  #closing: Promise<void> | null = null;

  constructor(options: DecisionLogOptions) {
    const { clock } = options;
    this.#options = options;
    this.#newId = options.newId ?? (() => uuidV7(clock.nowUs() / 1000, randomBytes(16)));
  }

  /** Remembers what a read gave for as long as the program has it: a decision may name it. */
  note(read: object, facts: readonly ReadFacts[]): void {
    this.#facts.set(read, facts);
  }

  /**
   * Says a decision; gives its id at once. Never waits, and fails for no decision: one that breaks the contract is dropped as `invalid`, which `onDrop` is told.
   *
   * @throws MillraceError `invalid-definitions` and `not-said` for a source that cannot be
   */
  decide<Said extends Decisions>(definition: Said, given: DecisionSaidOf<Said>): string {
    const said: DecisionSaid = given;
    const topic = this.#topicOf(definition, 'decisions');
    const atUs = this.#options.clock.nowUs();
    let id: string | null = null;
    let tally: VariantTally | null = null;
    try {
      id = said.id ?? this.#newId();
      tally = this.#tallies.of(said.assigned);
      const fields = decisionFields(id, atUs, said, this.#readsOf(said.reads ?? []));
      this.#offer(topic, topic.source.json(fields), atUs, tally, undefined);
    } catch (cause) {
      this.#dropInvalid(topic, tally, cause);
    }
    return id ?? this.#newId();
  }

  /** Says an outcome; gives its id at once. As `decide`. */
  outcome<Said extends Outcomes>(definition: Said, given: OutcomeSaidOf<Said>): string {
    const said: OutcomeSaid = given;
    const topic = this.#topicOf(definition, 'outcomes');
    const atUs = this.#options.clock.nowUs();
    let id: string | null = null;
    try {
      id = said.id ?? this.#newId();
      this.#offer(topic, topic.source.json(outcomeFields(id, atUs, said)), atUs, null, undefined);
    } catch (cause) {
      this.#dropInvalid(topic, null, cause);
    }
    return id ?? this.#newId();
  }

  /**
   * Takes a record as its contract has it in JSON; without an id and a time it gets these. Gives its id.
   *
   * @param onEnd told what became of it: null where it was acknowledged
   * @throws MillraceError `invalid-decision`, `not-said`
   */
  take(
    source: CompiledSource,
    record: Readonly<Record<string, unknown>>,
    onEnd?: (dropped: DropReason | null) => void,
  ): string {
    const topic = this.#topics.get(source) ?? this.#open(source, saidOfCompiled(source));
    const atUs = this.#options.clock.nowUs();
    const [id, time] =
      topic.source.says === 'decisions'
        ? (['decision_id', 'decided_at'] as const)
        : (['outcome_id', 'occurred_at'] as const);
    const now = new Date(atUs / 1000).toISOString();
    const json = { ...record, [id]: record[id] ?? this.#newId(), [time]: record[time] ?? now };
    const tally = this.#tallies.of(assignedIn(json));
    try {
      this.#offer(topic, json, atUs, tally, onEnd);
    } catch (cause) {
      this.#dropInvalid(topic, tally, cause);
      throw cause;
    }
    return json[id] as string;
  }

  get figures(): DecisionLogFigures {
    const sources = Array.from(this.#topics.values(), ({ source, buffer, invalid }) => {
      const { sent, dropped, buffered } = buffer.figures;
      return [source.name, { says: source.says, sent, dropped: { ...dropped, invalid }, buffered }] as const;
    });
    return { sources: Object.fromEntries(sources), variants: this.#tallies.figures };
  }

  /** Sends what is waiting, within a bound; what is left then is dropped and counted. What is said from now on is dropped. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { ownsWriter = false, writer } = this.#options;
    await Promise.all(Array.from(this.#topics.values(), ({ buffer }) => buffer.close()));
    if (ownsWriter) await writer.close();
  }

  #topicOf(definition: Decisions | Outcomes, says: SaidSource['says']): Topic {
    const known = this.#topics.get(definition);
    if (known !== undefined && known.source.says === says) return known;
    const source = saidSource(definition, this.#options.installation);
    if (source.says !== says)
      throw new MillraceError('not-said', `source "${source.name}" has ${source.says}, not ${says}`, {
        remedy: 'Give `decide` a source of decisions, and `outcome` one of outcomes.',
      });
    return this.#open(definition, source);
  }

  #open(of: Decisions | Outcomes | CompiledSource, source: SaidSource): Topic {
    const { onDrop } = this.#options;
    const buffer = new BufferedLog<Waiting>({
      ...this.#options,
      topic: source.topic,
      record: (waiting) => this.#record(waiting),
      onDrop: onDrop && ((reason, records, cause) => onDrop({ source: source.name, reason, records, cause })),
      onEnd: ({ tally, onEnd }, dropped) => {
        if (tally !== null) tally[dropped === null ? 'sent' : 'dropped']++;
        onEnd?.(dropped);
      },
    });
    // Whatever is said from now on is dropped as such.
    if (this.#closing !== null) void buffer.close();
    const made = { source, buffer, invalid: 0 };
    this.#topics.set(of, made);
    return made;
  }

  #readsOf(reads: readonly object[]): { readonly service: string | null; readonly json: object }[] {
    return reads.flatMap((read, index) => {
      const facts = this.#facts.get(read);
      if (facts === undefined)
        throw invalidSaid([`reads[${index}]: expected a read that this client gave, as it gave it`]);
      return facts.map((one) => ({ service: one.service, json: decisionRead(one) }));
    });
  }

  /** Puts a record aside. Throws `invalid-decision`, and what its values throw when they are made JSON. */
  #offer(
    { source, buffer }: Topic,
    json: Readonly<Record<string, unknown>>,
    atUs: number,
    tally: VariantTally | null,
    onEnd: Waiting['onEnd'],
  ): void {
    const reasons = source.check(json);
    if (reasons !== null) throw invalidSaid(reasons);
    const key = saidKey(json);
    const head = JSON.stringify(json).slice(0, -1);
    const bytes = OBJECT_BYTES + 2 * (head.length + key.length);
    buffer.offer({ key, head, timestampMs: Math.floor(atUs / 1000), tally, onEnd, bytes });
    buffer.sendSoon();
  }

  #dropInvalid(topic: Topic, tally: VariantTally | null, cause: unknown): void {
    topic.invalid++;
    if (tally !== null) tally.dropped++;
    const { onDrop } = this.#options;
    if (onDrop === undefined) return;
    // Not on the time of whoever decides.
    void nextTurn().then(() => onDrop({ source: topic.source.name, reason: 'invalid', records: 1, cause }));
  }

  #record({ key, head, timestampMs, tally }: Waiting): RecordToWrite {
    // What a log had dropped goes with what it sends: whoever counts units of a variant is told what is missing.
    const tail =
      tally === null || tally.dropped === 0
        ? '}'
        : `,"log_id":${JSON.stringify(this.#options.logId)},"dropped_before":${tally.dropped}}`;
    return { key: Buffer.from(key), value: Buffer.from(head + tail), timestampMs };
  }
}

function invalidSaid(reasons: readonly string[]): MillraceError {
  return new MillraceError('invalid-decision', reasons.join('; '), {
    remedy: 'Give what its source declares; docs/loop.md has the rules.',
    details: { reasons },
  });
}

function assignedIn(
  json: Readonly<Record<string, unknown>>,
): Pick<Assignment, 'rollout' | 'stage' | 'variant'> | undefined {
  const { rollout, stage, variant } = json;
  if (typeof rollout !== 'string' || typeof stage !== 'number' || typeof variant !== 'string') return undefined;
  return { rollout, stage, variant };
}
