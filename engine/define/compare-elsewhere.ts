import type { FieldPlan } from '../contract/field-plan.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { FunctionInput, KeyPlan, ViewCompilation } from './compile-view.ts';
import { type DefinitionFault, faultReporter } from './definition-fault.ts';
import { nameOf } from './definition-code.ts';
import { type ElsewhereReport, type ElsewhereView, otherPlace } from './elsewhere.ts';
import type { FeatureView } from './feature-view.ts';
import { declaredIdentity } from './declared-identity.ts';
import { derivedSubjects } from './derived-samples.ts';
import type { LoadedDefinition } from './loaded-definitions.ts';
import { canonical, rowResults, rowSubjects, shorten } from './row-results.ts';

/** A view as it came out here. */
export interface JudgedView {
  readonly definition: FeatureView;
  readonly loaded: LoadedDefinition;
  readonly keys: readonly KeyPlan[];
  readonly functions: readonly FunctionInput[];
  readonly plans: readonly FieldPlan[];
  readonly compiled: ViewCompilation | null;
}

const remedy =
  'Something it uses, perhaps a package, reads the time zone, the locale, the environment, the clock or chance: leave it out, or name what it should go by.';

/** Reports what the second process saw that must not be: impure uses at import, and whatever comes out differently there. */
export function compareElsewhere(
  views: readonly JudgedView[],
  report: ElsewhereReport,
  folder: string,
  faults: DefinitionFault[],
): void {
  for (const { file, line, label, remedy: instead } of report.uses) {
    faultReporter(faults, 'file', nameOf(file, folder))(
      'impure-definition',
      `line ${line}`,
      `uses ${label} while it is imported`,
      instead,
    );
  }
  const { timeZone, locale } = otherPlace();
  const there = `in another time zone (${timeZone}), locale (${locale}) and environment, at another time`;
  if (report.failure !== null) {
    if (report.uses.length > 0) return;
    faultReporter(faults, 'file', nameOf(views[0]?.loaded.file ?? folder, folder))(
      'impure-definition',
      '',
      `cannot be imported ${there}: ${report.failure}`,
      remedy,
    );
    return;
  }
  for (const view of views) {
    const { definition, loaded } = view;
    const other = report.views.find(({ file, exportName }) => file === loaded.file && exportName === loaded.exportName);
    if (other !== undefined) compareView(view, other, there, faults);
    else if (view.compiled !== null) {
      faultReporter(faults, 'feature view', definition.name)('impure-definition', '', `is not there ${there}`, remedy);
    }
  }
}

function compareView(view: JudgedView, other: ElsewhereView, there: string, faults: DefinitionFault[]): void {
  const { definition, keys, functions, plans, compiled } = view;
  const told = new Set(
    faults.flatMap(({ kind, definition: name, path }) =>
      kind === 'feature view' && name === definition.name ? [path] : [],
    ),
  );
  const report = faultReporter(faults, 'feature view', definition.name);
  if (compiled !== null && other.declared !== JSON.stringify(declaredIdentity(definition, compiled, plans))) {
    report('impure-definition', '', `says something else ${there}`, remedy);
    return;
  }
  if (compiled !== null) {
    const given = new Map(other.results.map(({ path, texts }) => [path, texts]));
    for (const { path, texts: here } of derivedSubjects(compiled)) {
      const index = here.findIndex((text, at) => text !== given.get(path)?.[at]);
      if (index < 0 || told.has(path)) continue;
      const texts = [here[index]!, given.get(path)?.[index] ?? 'nothing'].map(shorten);
      report(
        'impure-function',
        path,
        `the function is impure: it gives ${texts[0]} here and ${texts[1]} ${there}`,
        remedy,
      );
    }
  }
  const { rows } = sampleRows(plans);
  for (const subject of rowSubjects(definition, keys, functions)) {
    const texts = other.results.find(({ path }) => path === subject.path)?.texts;
    if (texts === undefined || told.has(subject.path)) continue;
    const here = rowResults(subject, rows);
    const index = here.findIndex((text, at) => text !== texts[at]);
    if (index < 0) continue;
    report(
      'impure-function',
      subject.path,
      `the row function is impure: it gives ${shorten(here[index] as string)} here and ${shorten(texts[index] as string)} ${there}, on the valid row ${shorten(canonical(rows[index]))}`,
      remedy,
    );
  }
}
