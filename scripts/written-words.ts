import type { AnyNode, Program } from 'acorn';
import { walk } from '../engine/code/syntax.ts';

/**
 * The texts an expression can be, as far as the module says: both sides of `a ? 'x' : 'y'` and of `a ?? 'x'`, what a constant of its scope is,
 * the values of a table of texts. `‹name›` stands for what is put in.
 *
 * @example
 * writtenWords(parse('`no view ${view}`')); // ['no view ‹view›']
 */
export function writtenWords(node: AnyNode, program: Program): string[] {
  switch (node.type) {
    case 'Literal':
      return typeof node.value === 'string' ? [node.value] : [];
    case 'TemplateLiteral':
      return [
        node.quasis
          .map(({ value }, index) => {
            const next = node.expressions[index];
            return `${value.cooked ?? ''}${next === undefined ? '' : placeholder(next)}`;
          })
          .join(''),
      ];
    case 'BinaryExpression': {
      const right = writtenWords(node.right, program);
      return writtenWords(node.left, program).flatMap((first) => right.map((second) => first + second));
    }
    case 'ConditionalExpression':
      return [...writtenWords(node.consequent, program), ...writtenWords(node.alternate, program)];
    case 'LogicalExpression':
      return [...writtenWords(node.left, program), ...writtenWords(node.right, program)];
    case 'Identifier':
      return declaredWords(node.name, node.start, program);
    case 'MemberExpression': {
      if (node.object.type !== 'Identifier' || !node.computed) return [];
      const table = declarationOf(node.object.name, node.start, program);
      if (table?.type !== 'ObjectExpression') return [];
      return table.properties.flatMap((each) => (each.type === 'Property' ? writtenWords(each.value, program) : []));
    }
    default:
      return [];
  }
}

function declaredWords(name: string, at: number, program: Program): string[] {
  const declared = declarationOf(name, at, program);
  return declared === null || declared.type === 'Identifier' ? [] : writtenWords(declared, program);
}

/** What a constant is made of: of several of that name, the one in the innermost function around the place. */
function declarationOf(name: string, at: number, program: Program): AnyNode | null {
  const scopes: AnyNode[] = [program];
  const inits: AnyNode[] = [];
  walk(program, (node) => {
    if (/Function/.test(node.type)) scopes.push(node);
    else if (node.type === 'VariableDeclarator' && node.id.type === 'Identifier' && node.id.name === name && node.init)
      inits.push(node.init);
  });
  const around = (place: number): AnyNode[] => scopes.filter(({ start, end }) => start <= place && place < end);
  for (const scope of around(at).toReversed()) {
    const init = inits.find(({ start }) => around(start).at(-1) === scope);
    if (init !== undefined) return init;
  }
  return null;
}

function placeholder(node: AnyNode): string {
  if (node.type === 'Identifier') return `‹${node.name}›`;
  if (node.type === 'MemberExpression' && node.property.type === 'Identifier' && !node.computed)
    return `‹${node.property.name}›`;
  return '…';
}
