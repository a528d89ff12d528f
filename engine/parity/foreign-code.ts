import type { EntityCase, Evidence } from './entity-case.ts';
import { ReadEvidence, StoredEvidence } from './evidence.ts';
import { type Finding, placesOf } from './finding.ts';

/** Records that code of another definition applied, where they account for all that differs. */
export function findForeignCode(of: EntityCase, evidence: Evidence): Finding | null {
  const foreign = of.upTo(evidence.seq).filter((event) => of.isForeign(event));
  if (foreign.length === 0) return null;
  if (evidence instanceof StoredEvidence) {
    // A newer newest event lets tiles go, an older one keeps them: only then may tiles differ that no record of theirs fell into.
    const isSameNewest = evidence.received.newestEventTimeUs === evidence.expected.newestEventTimeUs;
    for (const { group, tiles } of evidence.differences) {
      const touched = new Set(foreign.map((event) => evidence.tileOf(event, group)));
      if (isSameNewest && [...tiles.keys()].some((tile) => !touched.has(tile))) return null;
    }
  } else if (evidence instanceof ReadEvidence) {
    for (const feature of evidence.features)
      if (!foreign.some((event) => evidence.isVisible(event, feature))) return null;
  }
  const concerned = foreign.filter((event) => evidence.concerns(event));
  const records = concerned.length > 0 ? concerned : foreign.filter((event) => evidence.touches(event));
  if (records.length === 0) return null;
  const seqs = [...new Set(records.map(({ seq }) => seq))];
  return {
    cause: 'definition-version',
    detail: `${placesOf(records)} ${records.length === 1 ? 'was' : 'were'} applied by another definition's code, in commit ${seqs.slice(0, 3).join(', ')}`,
    records,
    explains: (other) => findForeignCode(of, other) !== null,
  };
}

/** Commits of other code stand where nothing in the entity's own records explains the difference: that code may have keyed others to it. */
export function foreignCommitsBefore(of: EntityCase, seq: number): Finding | null {
  const seqs = [...of.foreignSeqs].filter((foreign) => foreign <= seq);
  if (seqs.length === 0) return null;
  return {
    cause: 'definition-version',
    detail: `no record of the entity explains it, and another definition's code made commit ${seqs.slice(0, 3).join(', ')}${seqs.length > 3 ? ` and ${seqs.length - 3} more` : ''}`,
    records: [],
    explains: (other) => other.seq >= seqs[0]!,
  };
}
