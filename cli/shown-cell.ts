/** A cell of an audit or an explanation for a person: a value as JSON has it, an error by its code. */
export function shownCell(cell: unknown): string {
  const isError = typeof cell === 'object' && cell !== null && 'error' in cell;
  return isError ? `error: ${String(cell.error)}` : JSON.stringify(cell);
}
