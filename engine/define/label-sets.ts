import { compileLabelSet } from './compile-label-set.ts';
import type { SourceCompilation } from './compile-source.ts';
import type { CompiledLabelSet } from './compiled-label-set.ts';
import type { Coded, DefinitionCode } from './definition-code.ts';
import { type DefinitionFault, faultReporter, type ReportFault } from './definition-fault.ts';
import type { AnyLabelSet } from './label-set.ts';
import { probeLabelSet } from './probe-label-set.ts';
import type { Source } from './source.ts';

/** The sources that a label set is over; what is none is reported. */
export function labelSources({ options }: AnyLabelSet, report: ReportFault): Source[] {
  const given: unknown = options;
  const { decisions, outcomes } = (typeof given === 'object' && given !== null ? given : {}) as {
    readonly decisions?: unknown;
    readonly outcomes?: unknown;
  };
  if (!isDecisions(decisions))
    report(
      'no-decisions',
      'decisions',
      `expected what decisions(...) returns, received ${isSource(decisions) ? 'another source' : typeof decisions}`,
      'Define it with decisions(...); an import cycle makes it undefined.',
    );
  if (!isSource(outcomes))
    report(
      'no-decisions',
      'outcomes',
      `expected what outcomes(...) or source(...) returns, received ${typeof outcomes}`,
      'Define it with outcomes(...) or source(...); an import cycle makes it undefined.',
    );
  return [...(isDecisions(decisions) ? [decisions] : []), ...(isSource(outcomes) ? [outcomes] : [])];
}

/** Compiles the label sets whose sources are sound, and reports what is wrong with them. */
export function compileLabelSets(
  labelSets: Iterable<AnyLabelSet>,
  sources: ReadonlyMap<Source, SourceCompilation>,
  codes: ReadonlyMap<Coded, DefinitionCode>,
  faults: DefinitionFault[],
): Map<string, CompiledLabelSet> {
  const compiled = new Map<string, CompiledLabelSet>();
  for (const definition of labelSets) {
    const { name, options } = definition;
    const decisions = sources.get(options?.decisions);
    const outcomes = sources.get(options?.outcomes);
    if (decisions === undefined || outcomes === undefined) continue;
    const report = faultReporter(faults, 'label set', name);
    const logs = { decisions, outcomes };
    const labels = compileLabelSet(definition, logs, codes.get(definition) ?? null, report);
    if (isDecisions(options.decisions) && decisions.sound && outcomes.sound)
      probeLabelSet(definition, labels, logs, report);
    compiled.set(name, Object.freeze(labels));
  }
  return compiled;
}

function isDecisions(value: unknown): value is Source {
  return isSource(value) && value.says === 'decisions';
}

function isSource(value: unknown): value is Source & { readonly says?: string } {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'source';
}
