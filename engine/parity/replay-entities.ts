import { emptyPrepared } from '../define/empty-prepared.ts';
import { keptExpired } from '../define/kept-expired.ts';
import { setImmediate as turn } from 'node:timers/promises';
import type { CommitTimeline } from '../archive/commit-timeline.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { CompiledView, LogEvent } from '../define/compiled-view.ts';
import { storedFeatures } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { ServedReadDecoder } from '../served/served-read.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { StateInspector } from '../state/inspect-state.ts';
import { CorruptState, openStored } from '../state/stored-state.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { type AuditedEntity, auditedEntity, type AuditedRead } from './audited-entity.ts';
import { checkStored } from './check-stored.ts';
import { countDiffering } from './compare-values.ts';
import type { KeySample } from './key-sample.ts';
import { skip, type Skipped } from './served-sample.ts';

/** Events of the log in an order in which `seq` never falls. */
export interface SequencedEvents {
  readonly seq: number;
  readonly events: readonly LogEvent[];
}

/** What was compared so far. */
export interface ComparedFigures {
  /** Stored states. */
  entities: number;
  reads: number;
  cellsCompared: number;
  cellsDiffering: number;
}

export interface ReplayTarget {
  readonly view: CompiledView;
  /** By key text. Entities with events and without one here are added where `sample` takes them. */
  readonly entities: Map<string, AuditedEntity>;
  /** Null: only `entities`, and no stored state is compared. */
  readonly sample: KeySample | null;
  readonly commits: CommitTimeline | null;
  /** The highest of the version as of its rows; null where it has none, and where none is compared. */
  readonly watermarkUs: number | null;
  readonly figures: ComparedFigures;
  readonly skipped: Skipped;
}

/** Reads of a past in which an entity had not expired, which it had by the time of the answer: its row may have been gone, or made anew. */
const ROW_EXPIRED = 'row-expired';

/** States are compared in steps of this many, so that heartbeats and signals are not kept waiting. */
const ENTITIES_PER_TURN = 500;

/**
 * Applies the log to the wanted entities and compares on the way: each logged read with the state at its commit, at the end each stored row
 * with the state then. Only states of wanted entities are held.
 */
export class EntityReplay {
  readonly #target: ReplayTarget;
  readonly #reducer: ViewReducer;
  readonly #inspector: StateInspector;
  readonly #decoder: ServedReadDecoder;
  readonly #nothing: EntityState;
  readonly #losesRows: boolean;

  constructor(target: ReplayTarget) {
    this.#target = target;
    const { layout, source, derived } = target.view;
    this.#losesRows = layout.expireUs !== undefined && keptExpired(layout, source) === null;
    this.#reducer = createViewReducer(layout, derived);
    this.#inspector = new StateInspector(layout);
    this.#decoder = new ServedReadDecoder(layout);
    this.#nothing = this.#reducer.empty();
  }

  async run(batches: AsyncIterable<SequencedEvents>, signal: AbortSignal | undefined): Promise<void> {
    const { view, entities } = this.#target;
    const prepared = emptyPrepared(view.layout.slots);
    const takes = this.#newcomers();
    for await (const { seq, events } of batches) {
      signal?.throwIfAborted();
      for (let index = 0; index < events.length; index++) {
        if (view.prepare(events[index]!, prepared) !== 'ok') continue;
        let entity = entities.get(prepared.keyText);
        if (entity === undefined) {
          if (!takes(prepared.keyText, prepared.key)) continue;
          entity = auditedEntity(prepared.keyText, [...prepared.key], [], null, true);
          entities.set(entity.keyText, entity);
        }
        if (seq > entity.nextSeq) this.#compareReads(entity, seq);
        entity.state ??= this.#reducer.empty();
        if (!this.#reducer.apply(entity.state, prepared)) continue;
        entity.lastSeq = seq;
        this.#noteFound(entity, entity.state, seq);
      }
    }
    let compared = 0;
    for (const entity of entities.values()) {
      if (++compared % ENTITIES_PER_TURN === 0) {
        await turn();
        signal?.throwIfAborted();
      }
      this.#compareReads(entity, Number.POSITIVE_INFINITY);
      this.#compareUnfound(entity);
      this.#compareStored(entity);
    }
  }

  /** Whether an entity without a row, met in the log, belongs to the sample; remembers the ones that do not. */
  #newcomers(): (keyText: string, key: readonly ScalarValue[]) => boolean {
    const { sample } = this.#target;
    if (sample === null) return () => false;
    if (sample.isAll) return () => true;
    const others = new Set<string>();
    return (keyText, key) => {
      if (others.has(keyText)) return false;
      if (sample.takes(key)) return true;
      if (others.size > 500_000) others.clear();
      others.add(keyText);
      return false;
    };
  }

  /** Compares the reads of commits before `seq`. */
  #compareReads(entity: AuditedEntity, seq: number): void {
    while (entity.nextSeq < seq) {
      const read = entity.reads[entity.nextRead]!;
      this.#compare(entity, read, entity.state ?? this.#nothing);
      const next = entity.reads[++entity.nextRead];
      entity.nextSeq = next?.seq ?? Number.POSITIVE_INFINITY;
    }
  }

  /** A state that is found at a read's time and was not at that of its answer, where rows go: what there was of it cannot be told. */
  #isOfPast({ served }: AuditedRead, state: EntityState): boolean {
    return (
      this.#losesRows && this.#reducer.finds(state, served.asOfUs) && !this.#reducer.finds(state, served.servedAtUs)
    );
  }

  /** @param state null where any answer is wrong */
  #compare(entity: AuditedEntity, read: AuditedRead, state: EntityState | null): void {
    const { figures, skipped } = this.#target;
    if (read.isOfPast || (state !== null && this.#isOfPast(read, state))) return skip(skipped, ROW_EXPIRED);
    let served: ReturnType<ServedReadDecoder['values']>;
    try {
      served = this.#decoder.values(read.served);
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'served-read-mismatch') throw error;
      skip(skipped, 'unreadable');
      return;
    }
    read.differing = state === null ? served.length : countDiffering(this.#reducer, state, read.served.asOfUs, served);
    if (read.differing > 0) entity.differingReads++;
    figures.reads++;
    figures.cellsCompared += served.length;
    figures.cellsDiffering += read.differing;
  }

  /** The newer an entity's newest event, the later a read may be that finds it. */
  #noteFound(entity: AuditedEntity, state: EntityState, seq: number): void {
    const { reads } = entity;
    for (; entity.nextUnfound < reads.length; entity.nextUnfound++) {
      const read = reads[entity.nextUnfound]!;
      if (read.seq !== null || !this.#reducer.finds(state, read.served.asOfUs)) return;
      read.foundSince = seq;
      read.isOfPast = this.#isOfPast(read, state);
    }
  }

  /**
   * Reads that found no state carry no commit. One that had to find the backfill's is wrong whatever it says; one that had to find what came
   * later is decided only where the commit that brought it was made after it was served.
   */
  #compareUnfound(entity: AuditedEntity): void {
    const { commits, skipped } = this.#target;
    for (const read of entity.reads) {
      if (read.seq !== null) break;
      const { foundSince } = read;
      if (foundSince === 0) this.#compare(entity, read, null);
      else if (foundSince < 0 || (commits?.visibleSinceUs(foundSince) ?? 0) > read.served.servedAtUs)
        this.#compare(entity, read, this.#nothing);
      else skip(skipped, 'not-found-around-first-commit');
    }
  }

  /** Whether a read at the watermark sees anything of an entity, be it what is stored or what should be: no other rows are held to the log. */
  #isSeen({ stored, state }: AuditedEntity): boolean {
    const { watermarkUs } = this.#target;
    if (watermarkUs === null || this.#reducer.layout.expireUs === undefined) return true;
    if (state !== null && this.#reducer.finds(state, watermarkUs)) return true;
    const opened = stored === null ? this.#nothing : openStored(this.#reducer, stored.state, stored.crc);
    return opened instanceof CorruptState || this.#reducer.finds(opened, watermarkUs);
  }

  #compareStored(entity: AuditedEntity): void {
    if (!entity.isStoreCompared || (entity.stored === null && entity.state === null)) return;
    if (!this.#isSeen(entity)) return;
    const { figures, view } = this.#target;
    entity.storedDifference = checkStored(entity, this.#reducer, this.#inspector);
    figures.entities++;
    figures.cellsCompared += storedFeatures(view.layout).length;
    figures.cellsDiffering += entity.storedDifference?.features.length ?? 0;
  }
}
