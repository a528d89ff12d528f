import type { CompiledService, CompiledView, ServiceBlock } from './compiled-view.ts';
import type { ViewLayout } from './view-layout.ts';
import { keyColumns } from './view-role.ts';

/**
 * A view as a block of a service: plain, or in a role.
 *
 * @param columns join key to the column it goes by; a key that is not named keeps its name
 * @example
 * const blocks = [blockOf(routeDelays), blockOf(traffic, 'from', { airport: 'origin' })];
 */
export function blockOf(
  view: CompiledView,
  name: string = view.name,
  columns: Readonly<Record<string, string>> = {},
): ServiceBlock {
  return { name, view, columns: keyColumns(view.layout.keys, columns) };
}

/** Join key to the name it goes by. */
export function columnsByKey({
  view,
  columns,
}: {
  readonly view: { readonly layout: Pick<ViewLayout, 'keys'> };
  readonly columns: readonly string[];
}): Readonly<Record<string, string>> {
  return Object.fromEntries(view.layout.keys.map(({ name }, index) => [name, columns[index]!]));
}

/** What a service has under one name, as its versions tell it. */
export interface NamedBlock {
  readonly view: string;
  /** Join key of the view to the column it goes by. */
  readonly columns: Readonly<Record<string, string>>;
}

/** The blocks of a service by name; null where no view is in a role: then its views say all there is. */
export function namedBlocks({ blocks }: Pick<CompiledService, 'blocks'>): Readonly<Record<string, NamedBlock>> | null {
  if (blocks.every((block) => roleOf(block) === null)) return null;
  return Object.fromEntries(
    blocks.map((block) => [block.name, { view: block.view.name, columns: columnsByKey(block) }]),
  );
}

/** The views of a service, each once, in the order they first stand in. */
export function viewsOf({ blocks }: Pick<CompiledService, 'blocks'>): CompiledView[] {
  return [...new Set(blocks.map(({ view }) => view))];
}

/** A block as messages name it: `view "traffic"`, or `role "from" of view "traffic"`; what a service has of its own, `service "delay_model"`. */
export function blockText({
  name,
  view,
  isService,
}: {
  readonly name: string;
  readonly view: { readonly name: string };
  readonly isService?: true | undefined;
}): string {
  if (isService === true) return `service "${name}"`;
  return name === view.name ? `view "${name}"` : `role "${name}" of view "${view.name}"`;
}

/** The role of a block beside the name of its view in what is told of it; nothing of a plain view. */
export function roleAt(block: Parameters<typeof roleOf>[0]): { readonly role?: string } {
  const role = roleOf(block);
  return role === null ? {} : { role };
}

/** The name of the role a block is; null of a plain view. */
export function roleOf({
  name,
  view,
}: {
  readonly name: string;
  readonly view: { readonly name: string };
}): string | null {
  return name === view.name ? null : name;
}
