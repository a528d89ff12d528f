import type { NamedBlock } from '../engine/define/service-blocks.ts';

/**
 * The blocks of a service, one text each: a view by its name, a role with its view and the columns of its own.
 *
 * @example
 * blockTexts({ from: { view: 'airport_traffic', columns: { airport: 'origin' } } }); // ['from = airport_traffic(airport: origin)']
 */
export function blockTexts(blocks: Readonly<Record<string, NamedBlock>>): string[] {
  return Object.entries(blocks).map(([name, { view, columns }]) => {
    if (name === view) return view;
    const own = Object.entries(columns).filter(([key, column]) => key !== column);
    return `${name} = ${view}${own.length === 0 ? '' : `(${own.map(([key, column]) => `${key}: ${column}`).join(', ')})`}`;
  });
}
