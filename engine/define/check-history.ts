import type { AnyErrorCode } from '../errors/error-codes.ts';
import type { CompiledSource } from './compiled-view.ts';
import type { SourceCompilation } from './compile-source.ts';
import { type DefinitionFault, faultReporter } from './definition-fault.ts';
import type { HistorySample } from './history-sample.ts';

/** Something that keeps a history from being read as its definition says. */
export interface HistoryFault {
  readonly code: AnyErrorCode;
  readonly message: string;
  readonly remedy: string;
  /** The field it is about, where it is about one. */
  readonly field: string | null;
}

/** What a look at a history's files gave. */
export interface HistoryLook {
  readonly faults: readonly HistoryFault[];
  readonly sample: HistorySample | null;
}

/** Looks at the files of a source's history as its scans will, by what they share with them. */
export type HistoryInspector = (source: CompiledSource) => Promise<HistoryLook>;

/** Reports what keeps histories from being read; gives the samples of those that can be. */
export async function checkHistory(
  sources: readonly SourceCompilation[],
  inspect: HistoryInspector,
  faults: DefinitionFault[],
): Promise<HistorySample[]> {
  const samples: HistorySample[] = [];
  for (const { source, sound } of sources) {
    // Of a contract with faults, which are reported, there are no decoders to hold files against.
    if (source.history === null || !sound) continue;
    const report = faultReporter(faults, 'source', source.name);
    const look = await inspect(source);
    for (const { code, message, remedy, field } of look.faults) {
      report(code, field === null ? 'history.path' : `schema.${field}`, message, remedy);
    }
    if (look.sample !== null) samples.push(look.sample);
  }
  return samples;
}
