import type { AnyNode, Expression, Pattern, Property, PrivateIdentifier } from 'acorn';

export function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** The nodes directly inside a node, in the order acorn notes them. */
export function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? value : [value]).filter(isNode));
}

/** Calls `visit` with a node and all that is inside it, each with what it stands in. */
export function walk(node: AnyNode, visit: (node: AnyNode, parent: AnyNode | null) => void): void {
  const step = (each: AnyNode, parent: AnyNode | null): void => {
    visit(each, parent);
    for (const child of childrenOf(each)) step(child, each);
  };
  step(node, null);
}

/** The name a member or a property is known by where it is written down: `a.b`, `a['b']`, `{ b: 1 }`, `{ 'b': 1 }`; else null. */
export function writtenName(key: Expression | PrivateIdentifier, computed: boolean): string | null {
  if (key.type === 'Identifier' && !computed) return key.name;
  return key.type === 'Literal' && typeof key.value === 'string' ? key.value : null;
}

/** The property of that name in the text of an object, or undefined. */
export function isPlainProperty(node: AnyNode): node is Property {
  return node.type === 'Property' && node.kind === 'init' && writtenName(node.key, node.computed) !== null;
}

/** The identifiers a pattern binds: `{ a, b: [c] }` binds a and c. */
export function boundNames(pattern: Pattern): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((part) => boundNames(part.type === 'Property' ? part.value : part.argument));
    case 'ArrayPattern':
      return pattern.elements.flatMap((part) => (part === null ? [] : boundNames(part)));
    case 'RestElement':
      return boundNames(pattern.argument);
    case 'AssignmentPattern':
      return boundNames(pattern.left);
    case 'MemberExpression':
      return [];
  }
}
