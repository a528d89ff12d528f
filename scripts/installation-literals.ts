import { stripTypeScriptTypes } from 'node:module';
import { type AnyNode, parse } from 'acorn';
import { walk, writtenName } from '../engine/code/syntax.ts';

/** What only `engine/installation` may spell out: of another installation it would be another name. */
const FORBIDDEN: readonly RegExp[] = [
  /\bmillrace_(?:catalog|state|sql|owner|worker|server|reader)\b/,
  /(?:^|["'(\s])(?:feature|archive|audit|export|pairs|rollout|train):$/,
  /^(?:feature|archive|audit|export|pairs|rollout|train):[\w.]/,
  /\b(?:workflow id|schedule) (?:feature|archive|audit|export|pairs|rollout|train):/,
  /(?:^|["'\s])millrace\.(?!conf\b|invalid\b|lock\b)(?:\w|$)/,
];

/** Whether it is a call of `createPool` that would get the default installation without a word. */
function opensUnnamed(node: AnyNode): boolean {
  if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier' || node.callee.name !== 'createPool')
    return false;
  const options = node.arguments[1];
  return !(
    options?.type === 'ObjectExpression' &&
    options.properties.some(
      (each) => each.type === 'SpreadElement' || writtenName(each.key, each.computed) === 'installation',
    )
  );
}

/**
 * Names of schemas, roles, topics, groups and ids that a module spells out, and pools that are opened for no installation in particular, each in a
 * line. Comments may name what they like.
 *
 * @param sources path from the root to text
 */
export function literalFaults(sources: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  for (const [path, text] of sources) {
    walk(parse(stripTypeScriptTypes(text), { ecmaVersion: 'latest', sourceType: 'module' }), (node) => {
      const line = text.slice(0, node.start).split('\n').length;
      if (opensUnnamed(node)) faults.push(`${path}:${line} opens a pool and does not say of which installation`);
      const words =
        node.type === 'Literal' && typeof node.value === 'string'
          ? node.value
          : node.type === 'TemplateElement'
            ? (node.value.cooked ?? '')
            : null;
      if (words === null || !FORBIDDEN.some((pattern) => pattern.test(words))) return;
      faults.push(`${path}:${line} spells out a name of an installation: ${JSON.stringify(words.slice(0, 80))}`);
    });
  }
  return faults;
}
