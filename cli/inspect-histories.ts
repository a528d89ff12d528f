import { openSpillFolder } from '../config/spill-folder.ts';
import type { Row } from '../engine/contract/compiled-contract.ts';
import type { HistoryInspector } from '../engine/define/check-history.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { inspectHistory } from '../engine/history/inspect-history.ts';
import { systemClock } from '../engine/values/clock.ts';

const MEMORY_MB = 256;
export const SAMPLE_ROWS = 1000;

/**
 * Runs `work` with an inspector of history files: what `plan` holds definitions against.
 *
 * @param sample How many rows of each source are held against its contract; 0: none.
 * @param spillDir For a folder of this process.
 * @param onRow Told of each valid row of a sample, with its source; it is written over afterwards.
 */
export async function withHistoryInspector<T>(
  sample: number,
  spillDir: string,
  work: (inspect: HistoryInspector) => Promise<T>,
  onRow?: (source: string, row: Row) => void,
): Promise<T> {
  const spill = openSpillFolder(spillDir);
  try {
    const duckdb = await openDuckDb({ memoryMb: MEMORY_MB, tempDir: spill.path });
    try {
      return await work((source) =>
        inspectHistory(source, duckdb, {
          sample,
          nowUs: systemClock.nowUs(),
          ...(onRow === undefined ? {} : { onRow: (row) => onRow(source.name, row) }),
        }),
      );
    } finally {
      await duckdb.close();
    }
  } finally {
    spill.remove();
  }
}
