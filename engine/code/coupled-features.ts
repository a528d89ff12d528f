import type { Pieces } from './canonical-text.ts';
import type { Keeper } from './kept-state.ts';
import type { ModuleGraph } from './module-graph.ts';
import type { Unit } from './own-module.ts';

/** Features whose functions have something in common, with each other or with what counts for all, that one may change and the other see. */
export function coupledFeatures(
  texts: ReadonlyMap<string, Pieces>,
  piecesOf: (unit: Unit) => Pieces,
  common: readonly Unit[],
  graph: ModuleGraph,
  keepsState: (keeper: Keeper) => boolean,
): ReadonlySet<string> {
  const reachedFrom = (pieces: Pieces): Set<Keeper> => {
    const reached = new Set<Keeper>();
    const waiting = pieces.filter((piece) => typeof piece !== 'string');
    for (let target = waiting.pop(); target !== undefined; target = waiting.pop()) {
      if (target.kind === 'outside') continue;
      const keeper = target.kind === 'unit' ? target.unit : target.module;
      if (reached.has(keeper)) continue;
      reached.add(keeper);
      if (target.kind === 'unit') waiting.push(...piecesOf(target.unit).filter((piece) => typeof piece !== 'string'));
      else waiting.push(...graph.exportsOf(target.module).values());
    }
    return reached;
  };
  const users = new Map<Keeper, (string | null)[]>();
  const note = (keepers: Iterable<Keeper>, by: string | null): void => {
    for (const keeper of keepers) users.set(keeper, [...(users.get(keeper) ?? []), by]);
  };
  note(reachedFrom(common.flatMap((unit) => [{ kind: 'unit', unit, name: '' } as const])), null);
  for (const [name, pieces] of texts) note(reachedFrom(pieces), name);
  const shared = [...users].filter(([keeper, by]) => by.length > 1 && keepsState(keeper));
  return new Set(shared.flatMap(([, by]) => by.filter((name) => name !== null)));
}
