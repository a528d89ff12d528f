import { type DerivedFeature, derivedBuilder, type AnyBlock, type DerivedKind } from '../derived/derived-feature.ts';
import type { DerivedPlan } from '../derived/derive-step.ts';
import { underTraps } from '../purity/purity-traps.ts';
import type { ScalarType } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';
import type { ReportFault } from './definition-fault.ts';
import { columnNameFault } from './names.ts';
import { declaredType, type KnownInputs } from './read-features.ts';

const kinds: Readonly<Record<string, ScalarType>> = {
  double: { kind: 'double' },
  int: { kind: 'int' },
  string: { kind: 'string' },
  boolean: { kind: 'boolean' },
  timestamp: { kind: 'timestamp' },
} satisfies Record<Exclude<DerivedKind, 'list'>, ScalarType>;

/** What stands in the way of a name. */
export type TakenNames = ReadonlyMap<string, string>;

/**
 * Runs the blocks of a definition, under traps, and judges what they give.
 *
 * @param path where they stand: `derived`
 * @param taken names that are given already, and to what: "a join key of the entity"
 * @param known the types as they were read before, by name: their schemas are not asked then
 */
export function readDerived(
  blocks: readonly AnyBlock[],
  path: string,
  taken: TakenNames,
  report: ReportFault,
  known?: KnownInputs,
): DerivedPlan[] {
  const plans: DerivedPlan[] = [];
  const names = new Map(taken);
  blocks.forEach((block, index) => {
    const place = blocks.length === 1 ? path : `${path}[${index}]`;
    for (const [name, feature] of Object.entries(runBlock(block, place, report) ?? {})) {
      const at = `${place}.${name}`;
      const fault = columnNameFault(name);
      if (fault !== null)
        report(fault.code, at, fault.message, 'Use another name: snake_case, at most 40 characters, not reserved.');
      const owner = names.get(name);
      if (owner !== undefined) report('duplicate-name', at, `"${name}" is ${owner}`, 'Use another name for it.');
      names.set(name, 'another derived feature');
      const type = typeOf(feature, at, report, known?.get(name)?.result);
      if (type !== null) plans.push({ name, type, compute: (feature as DerivedFeature).compute, block: index });
    }
  });
  return plans;
}

/** What a block returns; null where it threw, is impure or gives no object: what it says decides values. */
function runBlock(block: AnyBlock, path: string, report: ReportFault): object | null {
  const given: unknown = block;
  if (typeof given !== 'function') {
    report(
      'no-function',
      path,
      `expected a function, received ${typeof given}`,
      'Write (d) => ({ name: d.number(…) }).',
    );
    return null;
  }
  return underTraps((traps) => {
    let built: unknown;
    let thrown: string | null = null;
    try {
      built = block(derivedBuilder);
    } catch (cause) {
      thrown = `the function threw ${String(cause)}`;
    }
    const [touched] = traps.take();
    if (touched !== undefined) {
      report('impure-function', path, `the function is impure: it uses ${touched.label}`, touched.remedy);
    } else if (thrown !== null || typeof built !== 'object' || built === null) {
      const message = thrown ?? `the function returned ${built === null ? 'null' : typeof built}`;
      report('features-failed', path, message, 'Return an object of derived features built with `d`.');
    } else return built;
    return null;
  });
}

function typeOf(given: unknown, path: string, report: ReportFault, known: ResultType | undefined): ResultType | null {
  const feature = given as Partial<DerivedFeature> | null | undefined;
  if (feature?.kind !== 'derived') {
    report('no-feature', path, 'is not a derived feature', 'Build it with `d`, e.g. d.number((v) => v.flights_1d).');
    return null;
  }
  if (typeof feature.compute !== 'function') {
    report('no-function', path, `expected a function, received ${typeof feature.compute}`, 'Write d.number((v) => …).');
    return null;
  }
  const scalar = kinds[feature.type ?? ''];
  if (scalar !== undefined) return scalar;
  if (known !== undefined) return known;
  if (feature.item !== null && feature.item !== undefined) {
    const item = declaredType(feature.item, path, report);
    return item && { kind: 'list', item };
  }
  report('unsupported-type', path, 'a list says not of what', 'Write d.list(z.string(), (v) => [...]).');
  return null;
}
