import type { ArchiveFile, ArchiveRange } from './archive-manifest.ts';

/** A file with all it holds. */
export interface HeldFile {
  readonly file: ArchiveFile;
  readonly ranges: readonly ArchiveRange[];
}

/** Files in the order in which their offsets were archived: of two that hold the same partition, the earlier offsets come first. */
export function inLogOrder(ranges: readonly ArchiveRange[]): HeldFile[] {
  const held = new Map<number, ArchiveRange[]>();
  const queues = new Map<number, ArchiveRange[]>();
  for (const range of [...ranges].sort((a, b) => a.fromOffset - b.fromOffset)) {
    held.set(range.file.id, [...(held.get(range.file.id) ?? []), range]);
    queues.set(range.partition, [...(queues.get(range.partition) ?? []), range]);
  }
  const waiting = new Map([...held].sort(([a], [b]) => a - b));
  const ordered: HeldFile[] = [];
  while (waiting.size > 0) {
    const next = [...waiting].find(([, own]) => own.every((range) => isNext(queues.get(range.partition)!, range)));
    // Files that interlock (none are made so) may come in any order.
    const [id, own] = next ?? [...waiting][0]!;
    waiting.delete(id);
    for (const { partition } of own)
      queues.set(
        partition,
        queues.get(partition)!.filter((range) => range.file.id !== id),
      );
    ordered.push({ file: own[0]!.file, ranges: own });
  }
  return ordered;
}

function isNext(queue: readonly ArchiveRange[], range: ArchiveRange): boolean {
  return queue.every((other) => other.file.id === range.file.id || other.fromOffset > range.fromOffset);
}

/**
 * Which neighbours to merge. From the newest back, an older file joins while it is no larger than twice what is gathered, so that a byte
 * is rewritten about as often as the number of files has a digit, not once per new file.
 */
export function mergeGroups(files: readonly HeldFile[], minFiles: number, targetBytes: number): HeldFile[][] {
  const groups: HeldFile[][] = [];
  let group: HeldFile[] = [];
  let bytes = 0;
  const close = (): void => {
    if (group.length >= minFiles) groups.push(group);
    group = [];
    bytes = 0;
  };
  for (const each of [...files].reverse()) {
    const { sizeBytes } = each.file;
    if (group.length > 0 && (sizeBytes > bytes * 2 || bytes + sizeBytes > targetBytes)) close();
    group.unshift(each);
    bytes += sizeBytes;
  }
  close();
  return groups;
}

/** The ranges of one file that holds all of these: those that touch are one. */
export function mergedRanges(
  files: readonly HeldFile[],
): { partition: number; fromOffset: number; untilOffset: number; rows: number }[] {
  const ranges = files.flatMap((each) => each.ranges);
  const merged: { partition: number; fromOffset: number; untilOffset: number; rows: number }[] = [];
  for (const { partition, fromOffset, untilOffset, rows } of ranges.sort(
    (a, b) => a.partition - b.partition || a.fromOffset - b.fromOffset,
  )) {
    const last = merged.at(-1);
    if (last !== undefined && last.partition === partition && last.untilOffset === fromOffset) {
      last.untilOffset = untilOffset;
      last.rows += rows;
    } else merged.push({ partition, fromOffset, untilOffset, rows });
  }
  return merged;
}
