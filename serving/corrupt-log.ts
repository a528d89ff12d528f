import type { CorruptRead } from '../engine/online/view-read.ts';

/** Rows remembered at most: beyond it some are told again. */
const MAX_TOLD = 10_000;

/** Logs corrupt states, each row as a commit left it once: it is met by every read until the view is built anew. */
export function corruptLog(log: { error(about: object, message: string): void }): (found: CorruptRead) => void {
  const told = new Set<string>();
  return (found) => {
    const { view, version, entity, seq } = found;
    const row = JSON.stringify([view, version, entity, seq]);
    if (told.has(row)) return;
    if (told.size >= MAX_TOLD) told.clear();
    told.add(row);
    log.error(
      { code: 'state-corrupt', ...found },
      `the stored state is corrupt: its reads get null and an error; "millrace audit ${view}" tells what differs, "millrace rebackfill ${view}" builds it anew`,
    );
  };
}
