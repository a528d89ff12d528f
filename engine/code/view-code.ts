import { dirname } from 'node:path';
import type { AnyNode } from 'acorn';
import { canonicalText, type Pieces } from './canonical-text.ts';
import { coupledFeatures } from './coupled-features.ts';
import { DERIVED, featureParts } from './feature-parts.ts';
import { judgeKeptState } from './kept-state.ts';
import { isPackage, type ModuleGraph, type Target } from './module-graph.ts';
import type { OwnModule, Unit } from './own-module.ts';
import { judgeSideEffects, type SideEffect } from './side-effects.ts';

/** A name of something that is not the user's own, as code uses it; `''` where a module is only evaluated. */
export interface OutsideName {
  readonly specifier: string;
  /** The folder of a module that imports it. */
  readonly from: string;
  readonly name: string;
}

/** What one export consists of. */
export interface ExportCode {
  /** Canonical text of all of the user's own code that counts. No path is in it. */
  readonly text: string;
  /** The pieces of code that count, in the order they are evaluated. */
  readonly units: readonly Unit[];
  /** What is imported of packages, of Node and of Millrace: first what is evaluated, in order, then the names used, sorted. */
  readonly outside: readonly OutsideName[];
}

export interface CodeOptions {
  /**
   * Whether importing the graph changed anything that all code shares: a prototype of the language, a global. Then what any package does
   * when it is imported counts for every export.
   */
  readonly globalsChanged: boolean;
}

/** The code of a view, apart for what belongs to one feature alone. */
export interface ViewParts {
  /** What counts for every feature. */
  readonly common: ExportCode;
  /** What features aggregate, where that is code and can be told from the rest, with `common`; a feature that is not here is in `common`. */
  readonly inputs: ReadonlyMap<string, ExportCode>;
  /** What is derived of the features, with `common`; null where there is nothing, or it is in `common`. */
  readonly derived: ExportCode | null;
}

export interface CodeReaders {
  readonly whole: (file: string, exportName: string) => ExportCode;
  /** Null where an export is no view, or one whose features cannot be told apart for certain. */
  readonly parts: (file: string, exportName: string) => ViewParts | null;
}

/** The `whole` of `codeReaders`. */
export function exportCodeReader(
  graph: ModuleGraph,
  options: CodeOptions,
): (file: string, exportName: string) => ExportCode {
  return codeReaders(graph, options).whole;
}

/**
 * Makes functions that take an export's code out of a graph: what it uses, however indirectly, and everything evaluated in any module
 * that may change something for it. What happens inside packages counts for exports that use packages.
 *
 * What only another feature's function reaches is no part of a feature, unless one may change what the other sees (`kept-state.ts`): then they
 * are not told apart.
 */
export function codeReaders(graph: ModuleGraph, { globalsChanged }: CodeOptions): CodeReaders {
  const effects = judgeSideEffects(graph);
  const texts = new Map<Unit, Pieces>();
  const piecesOf = (unit: Unit): Pieces => {
    const known = texts.get(unit) ?? canonicalText(unit.node, unit.module, graph, effects);
    texts.set(unit, known);
    return known;
  };
  const { modules } = graph;
  const effectOf = new Map(modules.flatMap(({ units }) => units.map((unit) => [unit, effects.ofUnit(unit)] as const)));
  const bare = evaluated(modules, graph, true);
  const keepsState = judgeKeptState(graph);

  const rootOf = (file: string, exportName: string): Target => {
    const root = graph.exported(file, exportName);
    if (root === undefined) throw new Error(`${file} exports no ${exportName}`);
    return root;
  };

  /** @param more what counts beside the root */
  const read = (root: Target, piecesOf: (unit: Unit) => Pieces, more: readonly Pieces[]): ExportCode => {
    const live = new Set<Unit>();
    const whole = new Set<OwnModule>();
    const used = new Map<string, OutsideName>();
    const include = (first: Target): void => {
      const waiting = [first];
      for (let target = waiting.pop(); target !== undefined; target = waiting.pop()) {
        if (target.kind === 'outside') used.set(keyOf(target), target);
        else if (target.kind === 'unit' && !live.has(target.unit)) {
          live.add(target.unit);
          waiting.push(...piecesOf(target.unit).filter((piece) => typeof piece !== 'string'));
        } else if (target.kind === 'module' && !whole.has(target.module)) {
          whole.add(target.module);
          waiting.push(...graph.exportsOf(target.module).values());
        }
      }
    };
    const includeEffects = (effect: SideEffect): void => {
      for (const [unit, its] of effectOf) if (its === effect) include({ kind: 'unit', unit, name: '' });
    };
    include(root);
    for (const pieces of more) for (const piece of pieces) if (typeof piece !== 'string') include(piece);
    includeEffects('any');
    const usesPackages = globalsChanged || [...used.values(), ...bare].some(({ specifier }) => isPackage(specifier));
    if (usesPackages) includeEffects('in-packages');
    const names = [...used].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
    const units = modules.flatMap((module) => module.units.filter((unit) => live.has(unit)));
    const wholes = modules.filter((module) => whole.has(module));
    return {
      text: print(root, units, wholes, piecesOf, graph, more),
      units,
      outside: [...(usesPackages ? evaluated(modules, graph, false) : bare), ...names],
    };
  };

  return {
    whole: (file, exportName) => read(rootOf(file, exportName), piecesOf, []),
    parts(file, exportName) {
      const root = rootOf(file, exportName);
      if (root.kind !== 'unit') return null;
      const { unit } = root;
      const textOf = (node: AnyNode): Pieces => canonicalText(node, unit.module, graph, effects);
      const takeApart = (together: ReadonlySet<string>) => {
        const apart = featureParts(unit, graph, effects, together);
        if (apart === null) return null;
        const rest = textOf(apart.rest);
        const restOf = (each: Unit): Pieces => (each === unit ? rest : piecesOf(each));
        const common = read(root, restOf, []);
        // Whoever else uses the view may use any of its features.
        if (common.units.some((each) => restOf(each).some((piece) => isTo(piece, unit)))) return null;
        const texts = [...apart.features].flatMap(([name, { before, inputs }]) =>
          inputs.length === 0
            ? []
            : [[name, [`${before} `, ...inputs.flatMap((each) => [...textOf(each), ';'])]] as const],
        );
        const derived = apart.derived === null ? [] : [[DERIVED, textOf(apart.derived)] as const];
        return {
          restOf,
          common,
          texts: new Map<string, Pieces>([...texts.map(([name, pieces]) => [name, pieces] as const), ...derived]),
        };
      };
      const first = takeApart(new Set());
      if (first === null) return null;
      const together = coupledFeatures(first.texts, first.restOf, first.common.units, graph, keepsState);
      const { restOf, common, texts } = (together.size === 0 ? first : takeApart(together)) ?? first;
      const parts = new Map([...texts].map(([name, pieces]) => [name, read(root, restOf, [pieces])]));
      const derived = parts.get(DERIVED) ?? null;
      parts.delete(DERIVED);
      return { common, inputs: parts, derived };
    },
  };
}

function isTo(piece: string | Target, unit: Unit): boolean {
  return typeof piece !== 'string' && piece.kind === 'unit' && piece.unit === unit;
}

function keyOf({ specifier, from, name }: OutsideName): string {
  return [specifier, name, from].join('\0');
}

/** What the modules import from outside, each once: all of it, or only where nothing of it is named. */
function evaluated(modules: readonly OwnModule[], graph: ModuleGraph, bareOnly: boolean): OutsideName[] {
  const found = new Map<string, OutsideName>();
  for (const module of modules) {
    for (const specifier of module.specifiers) {
      if (graph.imported(module, specifier) !== null) continue;
      if (bareOnly && !module.bareSpecifiers.has(specifier)) continue;
      const each = { specifier, from: dirname(module.path), name: '' };
      found.set(keyOf(each), each);
    }
  }
  return [...found.values()];
}

/** One line for each piece of code; names of the top level are numbers of lines, so that no file is named and nothing else counts. */
function print(
  root: Target,
  units: readonly Unit[],
  whole: readonly OwnModule[],
  piecesOf: (unit: Unit) => Pieces,
  graph: ModuleGraph,
  more: readonly Pieces[],
): string {
  const unitNumbers = new Map(units.map((unit, index) => [unit, index]));
  const moduleNumbers = new Map(whole.map((module, index) => [module, index]));
  const said = (piece: string | Target): string => {
    if (typeof piece === 'string') return piece;
    if (piece.kind === 'unit') return `#${unitNumbers.get(piece.unit)}.${piece.name}`;
    return piece.kind === 'module'
      ? `#module${moduleNumbers.get(piece.module)}`
      : `@${JSON.stringify(piece.specifier)}.${piece.name}`;
  };
  const modules = whole.map((module) =>
    module.json === undefined
      ? [...graph.exportsOf(module)].map(([name, target]) => `${name}: ${said(target)}`).join(', ')
      : JSON.stringify(module.json),
  );
  return [
    ...modules.map((text, index) => `#module${index} = ${text}`),
    ...units.map((unit) => `${unit.kind} ${unit.names.join(',')} = ${piecesOf(unit).map(said).join('')}`),
    said(root),
    ...more.map((pieces) => pieces.map(said).join('')),
  ].join('\n');
}
