import type { CompiledService } from '../define/compiled-view.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { TimeAt } from '../training/label-time.ts';
import type { TrainingProgress } from '../training/training-types.ts';
import type { Clock } from '../values/clock.ts';
import type { SampleSize } from './label-sample.ts';

/** Rows that are taken where nothing is said, of a file or of the history: a share of them is known to 0.7 %, in seconds. */
export const TRY_ROWS = 20_000;

/** What trying features takes. */
export interface TryOptions {
  /** What is tried, for messages: `view route_delays`. */
  readonly subject: string;
  /** A view alone is a service of it. */
  readonly service: CompiledService;
  /** The label rows: as of an export. Left out: rows are made of the history's own events. */
  readonly spine?: string | undefined;
  /** A column of the spine that is to be told. */
  readonly label?: string | undefined;
  readonly timeColumn?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly timeAt?: TimeAt | undefined;
  /** Default: 20,000 rows. */
  readonly sample?: SampleSize | undefined;
  readonly memory?: MemoryBudget | undefined;
  readonly spillDir: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TryProgress) => void) | undefined;
}

/** Where it stands: rows of history that entities are looked for in, or an export's progress. */
export type TryProgress =
  | { readonly phase: 'events'; readonly rows: number; readonly totalRows: number | null }
  | Pick<TrainingProgress, 'phase' | 'percent' | 'events'>;
