import { type CellJson, treeOfCell } from '../engine/values/cell-json.ts';
import { shownDifference, shownTree } from '../engine/values/shown-tree.ts';

/** A cell of an audit or an explanation for a person: a value as JSON has it, lists and maps shortened, an error by its code. */
export function shownCell(cell: unknown): string {
  return marked(cell) ?? shownTree(treeOfCell(cell as CellJson));
}

/** Two cells that differ: of lists and maps what differs. */
export function shownCells(before: unknown, after: unknown): readonly [string, string] {
  const [one, other] = [marked(before), marked(after)];
  if (one === null && other === null)
    return shownDifference(treeOfCell(before as CellJson), treeOfCell(after as CellJson));
  return [one ?? shownTree(treeOfCell(before as CellJson)), other ?? shownTree(treeOfCell(after as CellJson))];
}

/** What is no value: an error, or what a workflow kept of one that was too long for it. */
function marked(cell: unknown): string | null {
  if (typeof cell !== 'object' || cell === null) return null;
  if ('error' in cell) return `error: ${String(cell.error)}`;
  return 'shortened' in cell ? String(cell.shortened) : null;
}
