import { underTraps } from '../purity/purity-traps.ts';
import type { CompiledView } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import { type DerivedResults, derivedResults, sampledReads } from './derived-samples.ts';
import { shorten } from './row-results.ts';
import { isDerived } from './view-layout.ts';

const remedy =
  'A derived feature may use the features it sees, `at` and constants: of the same ones it must give the same value, always.';
const changesInput = /read only|not extensible|which has only a getter|Cannot (?:delete|define|add)/;

/**
 * Computes the derived features of a view of reads that its features can give, twice, under traps, and reports what is impure, or fails for an
 * entity without events. What fails on other samples may never come: it is left to the read that causes it.
 */
export function probeDerived(view: Pick<CompiledView, 'layout' | 'derived'>, report: ReportFault): void {
  if (!view.layout.features.some(isDerived)) return;
  const reads = sampledReads(view);
  const names = view.layout.features.filter(isDerived).map(({ name }) => name);
  tellImpurities(names, (isBackwards) => derivedResults(view, reads, isBackwards), report);
}

/**
 * Computes derived features forwards and backwards, under traps, and reports what shows.
 *
 * @param names of the features, of which there is one
 */
export function tellImpurities(
  names: readonly string[],
  compute: (isBackwards: boolean) => DerivedResults,
  report: ReportFault,
): void {
  const told = new Set<string>();
  const tell = (
    code: 'impure-function' | 'failing-function',
    feature: string,
    message: string,
    what = remedy,
  ): void => {
    if (told.has(feature)) return;
    told.add(feature);
    report(code, `derived.${feature}`, message, what);
  };
  underTraps((traps) => {
    const forwards = compute(false);
    const [touched] = traps.take();
    for (const { feature, reason, read } of forwards.failures) {
      const used = /^the function uses (.*)$/.exec(reason)?.[1];
      if (used !== undefined) tell('impure-function', feature, `the function is impure: it uses ${used}`);
      else if (touched !== undefined && reason.includes(touched.label))
        tell('impure-function', feature, `the function is impure: it uses ${touched.label}`, touched.remedy);
      else if (changesInput.test(reason))
        tell('impure-function', feature, `the function is impure: it changes its input (${reason})`);
      else if (read === 0 && reason.startsWith('the function threw'))
        tell(
          'failing-function',
          feature,
          `${reason}, for an entity without events`,
          'Let it give a value or null where there is nothing: counts are 0, all else is null.',
        );
    }
    // One that catches what a trap throws.
    if (touched !== undefined && told.size === 0)
      tell(
        'impure-function',
        names[0]!,
        `a function of the derived features is impure: it uses ${touched.label}`,
        touched.remedy,
      );
    const backwards = compute(true);
    traps.take();
    for (const name of names) {
      const [before, after] = [forwards.texts.get(name)!, backwards.texts.get(name)!];
      const index = before.findIndex((text, at) => text !== after[at]);
      if (index >= 0)
        tell(
          'impure-function',
          name,
          `the function is impure: the same features gave ${shorten(before[index]!)} and ${shorten(after[index]!)}`,
        );
    }
  });
}
