import { posix } from 'node:path';
import { circles } from './circles.ts';
import { importsOf, type ModuleImport } from './module-imports.ts';

/** Rooms are folders or single files, as paths from the root; the longest that fits a file is its room. */
export interface LayerRules {
  /** Low to high. */
  readonly levels: readonly (readonly string[])[];
  /** Rooms (or folders of rooms) of which another takes types alone, and those even from above. */
  readonly typesOnly: readonly {
    readonly from: string;
    readonly to: readonly string[];
    /** Rooms among them that are taken as any lower one. */
    readonly except?: readonly string[];
  }[];
  readonly packages: readonly { readonly packages: readonly string[]; readonly rooms: readonly string[] }[];
  /** Rooms that may import any package, and whose folders may lean on each other. */
  readonly free: readonly string[];
  readonly deployed: { readonly entries: readonly string[]; readonly never: readonly string[] };
  /** Bare names that stand for files here. */
  readonly self: Readonly<Record<string, string>>;
}

/** An import of a file by a file. */
interface Edge extends ModuleImport {
  readonly from: string;
  readonly to: string;
}

/**
 * What breaks the rules, each in a line: imports of higher or neighbouring rooms, packages where they do not belong, folders in a circle, local
 * services in a deployment, files and rooms that the table does not know.
 *
 * @param sources path from the root, with `/`, to text
 */
export function layerFaults(sources: ReadonlyMap<string, string>, rules: LayerRules): string[] {
  const faults: string[] = [];
  const rooms = new Map<string, number>();
  for (const [level, names] of rules.levels.entries()) for (const name of names) rooms.set(name, level);
  const roomOf = roomFinder([...rooms.keys()]);
  const used = new Set<string>();
  const edges: Edge[] = [];
  for (const [from, text] of sources) {
    const room = roomOf(from);
    if (room === null) {
      faults.push(`${from}: no room of the table (scripts/layers.ts) has this file`);
      continue;
    }
    used.add(room);
    for (const each of importsOf(text)) {
      const to = fileOf(from, each.specifier, rules);
      if (to !== null) edges.push({ ...each, from, to });
      else faults.push(...packageFault(from, each.specifier, rules));
    }
  }
  for (const name of rooms.keys())
    if (!used.has(name)) faults.push(`${name}: the table names a room that is not there`);
  for (const edge of edges) {
    const from = roomOf(edge.from) as string;
    const to = roomOf(edge.to);
    // Data is no room: package.json.
    if (to === null || from === to) continue;
    const typesOnly = isTypesOnly(from, to, rules);
    if (typesOnly && edge.isType) continue;
    if (typesOnly) faults.push(`${edge.from} imports ${edge.to}: ${from} takes only types of ${to}`);
    else if (rooms.get(to)! >= rooms.get(from)!)
      faults.push(`${edge.from} imports ${edge.to}: ${to} is not below ${from}`);
  }
  const counted = edges.filter(({ from, to }) => !isTypesOnly(roomOf(from), roomOf(to), rules));
  return [...faults, ...folderCircles(counted, rules), ...loadedByDeployment(edges, rules)];
}

function roomFinder(names: readonly string[]): (file: string) => string | null {
  const longestFirst = [...names].sort((a, b) => b.length - a.length);
  return (file) => longestFirst.find((name) => isIn(file, name)) ?? null;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function isTypesOnly(from: string | null, to: string | null, { typesOnly }: LayerRules): boolean {
  return typesOnly.some(
    (rule) =>
      rule.from === from && to !== null && rule.to.some((name) => isIn(to, name)) && rule.except?.includes(to) !== true,
  );
}

/** The file an import names; null for a package or a builtin. */
function fileOf(from: string, specifier: string, { self }: LayerRules): string | null {
  const own = self[specifier];
  if (own !== undefined) return own;
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : null;
}

function packageFault(from: string, specifier: string, rules: LayerRules): string[] {
  if (specifier.startsWith('node:') || rules.free.some((room) => isIn(from, room))) return [];
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  const rule = rules.packages.find(({ packages }) => packages.includes(name));
  if (rule === undefined)
    return [`${from} imports ${specifier}: the table does not say which rooms this package is for`];
  if (rule.rooms.some((room) => isIn(from, room))) return [];
  return [`${from} imports ${specifier}: the package is for ${rule.rooms.join(', ')}`];
}

/**
 * Folders that import each other in a circle. A folder and those within it are one. A file at the root is on its own, and so is a folder's
 * `contract.ts`: it is what others may know of the folder.
 */
function folderCircles(edges: readonly Edge[], { free }: LayerRules): string[] {
  const folderOf = (file: string): string => {
    const { dir, base } = posix.parse(file);
    return dir === '' || base === 'contract.ts' ? file : dir;
  };
  const graph = new Map<string, Set<string>>();
  for (const edge of edges) {
    if (free.some((room) => isIn(edge.from, room))) continue;
    const from = folderOf(edge.from);
    const to = folderOf(edge.to);
    if (isIn(from, to) || isIn(to, from)) continue;
    graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  return circles(graph).map((folders) => `a circle of folders: ${folders.join(', ')}`);
}

/** Where what a deployment runs comes, by imports that are loaded with it, to what is for one machine. */
function loadedByDeployment(edges: readonly Edge[], { deployed }: LayerRules): string[] {
  const faults: string[] = [];
  const loads = new Map<string, string[]>();
  for (const { from, to, isType, isDynamic } of edges)
    if (!isType && !isDynamic) loads.set(from, [...(loads.get(from) ?? []), to]);
  for (const entry of deployed.entries) {
    const cameFrom = new Map<string, string | null>([[entry, null]]);
    for (const file of cameFrom.keys()) {
      if (deployed.never.some((room) => isIn(file, room))) {
        const way: string[] = [];
        for (let at: string | null = file; at !== null; at = cameFrom.get(at) ?? null) way.unshift(at);
        faults.push(`a deployment loads ${file}: ${way.join(' → ')}`);
        break;
      }
      for (const next of loads.get(file) ?? []) if (!cameFrom.has(next)) cameFrom.set(next, file);
    }
  }
  return faults;
}
