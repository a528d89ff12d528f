import type { CompiledSource } from '../define/compiled-view.ts';
import type { DiffSide } from './diff-types.ts';

/** Whether one scan of the log gives the events of both: one source, one contract, the same files, the same offsets. */
export function readsOneLog(before: DiffSide, after: DiffSide): boolean {
  return (
    sourceText(before.view.source) === sourceText(after.view.source) &&
    sameContract(before.view.source, after.view.source) &&
    filesText(before) === filesText(after) &&
    JSON.stringify(before.cut?.partitions) === JSON.stringify(after.cut?.partitions)
  );
}

/** In words, where the two read different records: what differs may come of that alone. */
export function logDifferences(before: DiffSide, after: DiffSide): string[] {
  const told: string[] = [];
  const [one, other] = [before.view.source, after.view.source];
  if (one.topic !== other.topic) told.push(`topic ${one.topic ?? 'none'} before, ${other.topic ?? 'none'} after`);
  else if (other.topic !== null && after.cut === null)
    told.push(`topic ${other.topic} is ${before.cut === null ? 'read by neither' : 'not read after'}`);
  if (filesText(before) !== filesText(after)) told.push(`history: ${files(before)} before, ${files(after)} after`);
  const lows = new Map(before.cut?.partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  if (one.topic === other.topic)
    for (const { partition, lowOffset } of after.cut?.partitions ?? []) {
      const low = lows.get(partition);
      if (low !== undefined && low !== lowOffset)
        told.push(`partition ${partition} from offset ${low} before, from ${lowOffset} after`);
    }
  return told;
}

/** Whether the contracts give equal rows. Of one whose texts are not known, only itself is known to. */
export function sameContract(before: CompiledSource, after: CompiledSource): boolean {
  if (before.contract === after.contract) return true;
  const [one, other] = [before.contract.texts, after.contract.texts];
  return one !== undefined && other !== undefined && JSON.stringify([...one]) === JSON.stringify([...other]);
}

/** All that a source says of its log beside the contract. */
function sourceText(source: CompiledSource): string {
  const { contract: _, headers: __, sensitive: ___, invalidLimit: ____, ...rest } = source;
  return JSON.stringify({ ...rest, maxAheadUs: String(rest.maxAheadUs) });
}

function filesText({ view, reads }: DiffSide): string {
  if (view.source.history === null || reads === null) return 'none';
  if (reads === undefined) return 'present';
  return JSON.stringify(reads.files.map(({ name, path, sizeBytes, sha256 }) => [name ?? path, sizeBytes, sha256]));
}

function files({ view, reads }: DiffSide): string {
  if (view.source.history === null || reads === null) return 'no file';
  if (reads === undefined) return 'the files of now';
  return reads.files.length === 1 ? '1 file' : `${reads.files.length} files`;
}
