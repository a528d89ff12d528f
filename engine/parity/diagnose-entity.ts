import { jsonEntity } from '../values/json-values.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { ParityDifference } from '../postgres/parity-audits.ts';
import { type Cell, STATE_CORRUPT } from '../values/cell.ts';
import { ServedReadDecoder } from '../served/served-read.ts';
import { CorruptState, decodeStored, openStored } from '../state/stored-state.ts';
import type { EntityState } from '../state/view-reducer.ts';
import type { AuditedEntity, AuditedRead, StoredDifference } from './audited-entity.ts';
import { cellsOf, sameCell } from './compare-values.ts';
import type { EntityCase } from './entity-case.ts';
import type { EntityEvent } from './entity-events.ts';
import { ReadEvidence, StoredEvidence } from './evidence.ts';
import { enact, type Finding } from './finding.ts';
import { findForeignCode, foreignCommitsBefore } from './foreign-code.ts';
import { findScatteredRecords, findSeveralRecords, findSingleRecord } from './record-faults.ts';
import { findExpiredTiles, findOrder, findShiftedTile } from './tile-faults.ts';

export type UnnumberedDifference = Omit<ParityDifference, 'number'>;

/** Causes named per entity at most: its further reads are one difference without one. */
const MAX_FINDINGS = 5;
/** Pieces of evidence that rivals for a cause are held to. */
const MAX_CONTEXT = 500;
/** Differing reads looked at one by one; all of them are counted. */
const MAX_DIFFERING_READS = 2_000;
/** Records listed in a difference; its detail says how many there are. */
const MAX_RECORDS = 200;

type Seen = StoredEvidence | ReadEvidence;

interface SeenRead {
  readonly read: AuditedRead;
  readonly evidence: ReadEvidence;
}

/** Says why an entity differs: one difference for its stored state, and one for each further cause that its logged reads have. */
export function diagnoseEntity(
  of: EntityCase,
  entity: AuditedEntity,
  nowUs: number,
  snapshotSeq: number,
): UnnumberedDifference[] {
  return new Diagnosis(of, entity, nowUs, snapshotSeq).run();
}

class Diagnosis {
  readonly #case: EntityCase;
  readonly #entity: AuditedEntity;
  readonly #nowUs: number;
  readonly #snapshotSeq: number;
  readonly #decoder: ServedReadDecoder;

  constructor(of: EntityCase, entity: AuditedEntity, nowUs: number, snapshotSeq: number) {
    this.#case = of;
    this.#entity = entity;
    this.#nowUs = nowUs;
    this.#snapshotSeq = snapshotSeq;
    this.#decoder = new ServedReadDecoder(of.reducer.layout);
  }

  run(): UnnumberedDifference[] {
    const differences: UnnumberedDifference[] = [];
    const reads = this.#seenReads();
    let open = reads.filter(({ read }) => read.differing > 0);
    const stored = this.#storedEvidence();
    const context: Seen[] = reads.slice(0, MAX_CONTEXT).map(({ evidence }) => evidence);
    if (stored !== null) context.push(stored);
    context.sort((a, b) => a.seq - b.seq);
    const { storedDifference } = this.#entity;
    if (storedDifference !== null) {
      const finding = this.#explainStored(storedDifference, stored, context);
      const explained = this.#explained(finding, open);
      differences.push(this.#ofStored(storedDifference, finding, explained.length));
      open = open.filter((read) => !explained.includes(read));
    }
    const unfound = open.filter(({ read }) => read.seq === null && read.foundSince === 0);
    if (unfound.length > 0) {
      const detail = 'the read found no state of an entity that the backfill has one of';
      differences.push(this.#ofRead(unfound[0]!, { cause: 'store-corruption', detail, records: [] }, unfound.length));
      open = open.filter((read) => !unfound.includes(read));
    }
    const corrupt = open.filter(({ evidence }) => evidence.isCorrupt);
    if (corrupt.length > 0) {
      const detail = 'the read found a stored state that was corrupt';
      differences.push(this.#ofRead(corrupt[0]!, { cause: 'store-corruption', detail, records: [] }, corrupt.length));
      open = open.filter((read) => !corrupt.includes(read));
    }
    for (let findings = 0; open.length > 0; findings++) {
      const [first] = open as [SeenRead];
      const finding =
        findings < MAX_FINDINGS ? this.#explain(first.evidence, context) : unexplained('too many causes in one entity');
      const explained = findings < MAX_FINDINGS ? this.#explained(finding, open) : open;
      differences.push(this.#ofRead(first, finding, explained.length));
      open = open.filter((read) => read !== first && !explained.includes(read));
    }
    return differences;
  }

  /** Every read that was compared, ascending by commit. */
  #seenReads(): SeenRead[] {
    const { reads } = this.#entity;
    const seen: SeenRead[] = [];
    const state = this.#case.reducer.empty();
    let at = 0;
    for (const read of reads) {
      if (read.differing < 0) continue;
      // A read that found nothing where there was something: of the backfill's state, what else is known of it?
      const seq = read.seq ?? (read.foundSince === 0 ? 0 : -1);
      for (; at < this.#case.events.length && this.#case.events[at]!.seq <= seq; at++)
        this.#case.apply(state, [this.#case.events[at]!]);
      if (seen.length >= (read.differing === 0 ? MAX_CONTEXT : MAX_DIFFERING_READS)) continue;
      seen.push({
        read,
        evidence: new ReadEvidence(
          this.#case,
          seq,
          read.served.asOfUs,
          this.#case.copy(state),
          this.#decoder.values(read.served),
        ),
      });
    }
    return seen;
  }

  #storedEvidence(): StoredEvidence | null {
    const { stored, state } = this.#entity;
    if (stored === null || state === null) return null;
    const decoded = decodeStored(this.#case.reducer, stored.state);
    if (decoded instanceof CorruptState) return null;
    return new StoredEvidence(this.#case, this.#snapshotSeq, state, decoded);
  }

  #explainStored(difference: StoredDifference, stored: StoredEvidence | null, context: readonly Seen[]): Finding {
    const { damage, reason } = difference;
    const { stored: row, state } = this.#entity;
    if (damage !== null && row !== null) {
      if (damage === 'expired-kept') return { cause: 'expired-tile', detail: reason, records: [] };
      const what =
        damage === 'checksum'
          ? 'the stored bytes are not those whose checksum stands beside them'
          : 'the stored bytes are no state';
      return {
        cause: 'store-corruption',
        detail: `${what} (${reason}); the row was written by commit ${row.seq}`,
        records: [],
        explains: (other) => other instanceof ReadEvidence && other.seq === row.seq && this.#servedFromRow(other),
      };
    }
    if (row === null) return this.#missingRow();
    if (state === null) {
      return (
        foreignCommitsBefore(this.#case, this.#snapshotSeq) ?? {
          cause: 'store-corruption',
          detail: `a row that no record of the log accounts for, written by commit ${row.seq}`,
          records: [],
        }
      );
    }
    return stored === null ? unexplained(reason) : this.#explain(stored, context);
  }

  #missingRow(): Finding {
    const applied = this.#case.events;
    const seqs = new Set(applied.map(({ seq }) => seq));
    if (applied.every((event) => this.#case.isForeign(event))) {
      return {
        cause: 'definition-version',
        detail: "the row is missing: all of its records were passed by another definition's code",
        records: applied,
      };
    }
    if (applied.length === 1 || (seqs.size === 1 && !seqs.has(0))) {
      return {
        cause: 'missing-record',
        detail: `the row is missing: ${applied.length === 1 ? 'its only record was' : `its ${applied.length} records, all of one commit, were`} not applied`,
        records: applied,
        enactment: { leftOut: new Set(applied) },
      };
    }
    return {
      cause: 'store-corruption',
      detail: `the row is missing, though ${seqs.size} commits wrote it, the last of them ${Math.max(...seqs)}`,
      records: [],
    };
  }

  #explain(evidence: Seen, context: readonly Seen[]): Finding {
    const of = this.#case;
    const isOfDerived = evidence instanceof ReadEvidence && evidence.isOfDerivedAlone;
    if (isOfDerived && evidence.isOfRightInputs) return otherDerivedCode();
    return (
      findForeignCode(of, evidence) ??
      findSingleRecord(of, 'missing-record', evidence, context) ??
      findSingleRecord(of, 'duplicated-record', evidence, context) ??
      findOrder(of, evidence) ??
      findShiftedTile(of, evidence) ??
      findExpiredTiles(of, evidence) ??
      findSeveralRecords(of, 'missing-record', evidence, context) ??
      findScatteredRecords(of, evidence) ??
      findSeveralRecords(of, 'duplicated-record', evidence, context) ??
      foreignCommitsBefore(of, evidence.seq) ??
      (isOfDerived ? otherDerivedCode() : null) ??
      unexplained(
        of.budget.isSpent
          ? 'the search for a cause was ended: it took too long'
          : 'no set of records left out or applied twice, no order and no tile explains it',
      )
    );
  }

  #explained(finding: Finding, open: readonly SeenRead[]): SeenRead[] {
    const { enactment, explains } = finding;
    if (enactment !== undefined) {
      const all = enact(
        this.#case,
        enactment,
        open.map(({ evidence }) => evidence),
      );
      const set = new Set(all);
      return open.filter(({ evidence }) => set.has(evidence));
    }
    return explains === undefined ? [] : open.filter(({ evidence }) => explains(evidence));
  }

  /** Whether the damaged row gave what was read: an error, or, where it was read without its checksum, its values. */
  #servedFromRow(evidence: ReadEvidence): boolean {
    if (evidence.isCorrupt) return true;
    const decoded = decodeStored(this.#case.reducer, this.#entity.stored!.state);
    return !(decoded instanceof CorruptState) && evidence.matches(decoded);
  }

  #ofStored(difference: StoredDifference, finding: Finding, furtherReads: number): UnnumberedDifference {
    const { reducer } = this.#case;
    const expected = this.#entity.state ?? reducer.empty();
    const received = this.#receivedState();
    const newestUs = Math.max(
      expected.newestEventTimeUs,
      received instanceof CorruptState ? Number.NEGATIVE_INFINITY : received.newestEventTimeUs,
    );
    const times = [this.#nowUs, newestUs + 1].filter((time) => Number.isSafeInteger(time));
    const readAt = (atUs: number): readonly [Cell[], Cell[]] => [
      reducer.read(expected, atUs),
      received instanceof CorruptState
        ? reducer.layout.features.map(() => STATE_CORRUPT)
        : reducer.read(received, atUs),
    ];
    let asOfUs = this.#nowUs;
    let { features } = difference;
    for (const time of times) {
      const [wanted, found] = readAt(time);
      const differing = difference.features.filter((index) => !sameCell(wanted[index]!, found[index]!));
      if (differing.length === 0) continue;
      asOfUs = time;
      features = differing;
      break;
    }
    return this.#difference(finding, {
      seq: this.#snapshotSeq,
      asOfUs,
      requestId: null,
      cells: cellsOf(reducer.layout, features, ...readAt(asOfUs)),
      further: furtherReads,
    });
  }

  /** What readers get of the row; a missing one reads as an entity without events. */
  #receivedState(): EntityState | CorruptState {
    const { reducer } = this.#case;
    const { stored } = this.#entity;
    return stored === null ? reducer.empty() : openStored(reducer, stored.state, stored.crc);
  }

  #ofRead({ read, evidence }: SeenRead, finding: Finding, explained: number): UnnumberedDifference {
    const { reducer } = this.#case;
    const received: Cell[] = reducer.layout.features.map(() => null);
    for (const { index, value } of evidence.served) received[index] = value;
    const features = evidence.features.length > 0 ? evidence.features : evidence.served.map(({ index }) => index);
    const cells = cellsOf(reducer.layout, features, reducer.read(evidence.expected, evidence.asOfUs), received);
    return this.#difference(finding, {
      seq: read.seq,
      asOfUs: read.served.asOfUs,
      requestId: read.served.requestId,
      cells,
      further: Math.max(0, explained - 1),
    });
  }

  #difference(
    finding: Finding,
    at: {
      readonly seq: number | null;
      readonly asOfUs: number;
      readonly requestId: string | null;
      readonly cells: ParityDifference['cells'];
      readonly further: number;
    },
  ): UnnumberedDifference {
    const { layout } = this.#case.reducer;
    const more = finding.records.length - MAX_RECORDS;
    return {
      entity: jsonEntity(layout.keys, this.#entity.key),
      seq: at.seq,
      asOf: formatDateTime(at.asOfUs),
      requestId: at.requestId,
      cause: finding.cause,
      detail:
        finding.detail +
        (more > 0 ? `; ${more} further records are not listed` : '') +
        (at.further > 0 ? `; it explains ${at.further} further logged read${at.further === 1 ? '' : 's'} too` : ''),
      cells: at.cells,
      records: finding.records
        .toSorted(byTime)
        .slice(0, MAX_RECORDS)
        .map(({ partition, offset, eventTimeUs }) => ({
          partition,
          offset,
          eventTime: formatDateTime(eventTimeUs),
        })),
    };
  }
}

/** Derived features are a function of the stored ones and of the time: where those are right, or no fault in them gives what was read. */
function otherDerivedCode(): Finding {
  return {
    cause: 'definition-version',
    detail: 'derived features alone differ, and nothing that they are made of explains it: other code of them answered',
    records: [],
    explains: (evidence) => evidence instanceof ReadEvidence && evidence.isOfDerivedAlone,
  };
}

function byTime(a: EntityEvent, b: EntityEvent): number {
  return a.eventTimeUs - b.eventTimeUs || a.partition - b.partition || a.offset - b.offset;
}

function unexplained(detail: string): Finding {
  return { cause: 'unexplained', detail, records: [] };
}
