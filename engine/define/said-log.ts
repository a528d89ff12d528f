import type { HistoryOptions, SourceOptions } from './source.ts';

/** How the log of decisions or outcomes is read, as that of any source. */
export interface SaidLogOptions<Field extends string = string>
  extends Pick<SourceOptions, 'dedupeHorizon' | 'invalidLimit'> {
  /**
   * Files with what was said before there was the topic, in the form of the contract. Labels, views and training sets read them before the topic; pairs are
   * made of the topic alone. Of outcomes a row is known at its `known_at`, else at its own time.
   */
  readonly history?: HistoryOptions<Field> | undefined;
}

/** What of it was given: what was not leaves no trace in the source. */
export function saidLog({ dedupeHorizon, invalidLimit, history }: SaidLogOptions): SaidLogOptions {
  return {
    ...(dedupeHorizon === undefined ? {} : { dedupeHorizon }),
    ...(invalidLimit === undefined ? {} : { invalidLimit }),
    ...(history === undefined ? {} : { history }),
  };
}
