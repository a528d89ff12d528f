import type { Fault } from './fault.ts';

/** By message: DuckDB's errors have no codes. The words follow "DuckDB". */
export const DUCKDB_FAULTS: readonly Fault[] = [
  {
    verdict: 'wait',
    // First: of a disk without room DuckDB speaks as of memory, too.
    code: 'spill-folder-full',
    symptoms: [/No space left|Failed to offload|max_temp_directory_size/i],
    says: 'could not spill',
    remedy:
      'Free space in the spill folder (MILLRACE_SPILL_DIR) or set it to a larger disk, or raise MILLRACE_MEMORY_MB.',
    httpStatus: 500,
  },
  {
    verdict: 'stop',
    code: 'memory-limit-too-small',
    symptoms: [/^Out of Memory Error|^Failed to append: failed to allocate/i],
    says: 'could not stay within its memory limit',
    remedy: 'Raise MILLRACE_MEMORY_MB (default 2048), or give the spill folder (MILLRACE_SPILL_DIR) more room.',
    httpStatus: 500,
  },
];
