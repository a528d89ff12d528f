import { stripTypeScriptTypes } from 'node:module';
import { parse } from 'acorn';
import { walk } from '../engine/code/syntax.ts';

/** What only `engine/installation` may spell out: of another installation it would be another name. */
const FORBIDDEN: readonly RegExp[] = [
  /\bmillrace_(?:catalog|state|sql|owner|worker|server|reader)\b/,
  /(?:^|["'(\s])(?:feature|archive|audit|export):$/,
  /^(?:feature|archive|audit|export):[\w.]/,
  /\b(?:workflow id|schedule) (?:feature|archive|audit|export):/,
  /(?:^|["'\s])millrace\.(?!conf\b|invalid\b)(?:\w|$)/,
];

/**
 * Names of schemas, roles, topics, groups and ids that a module spells out, each in a line. Comments may; so may what is not named here.
 *
 * @param sources path from the root to text
 */
export function literalFaults(sources: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  for (const [path, text] of sources) {
    walk(parse(stripTypeScriptTypes(text), { ecmaVersion: 'latest', sourceType: 'module' }), (node) => {
      const words =
        node.type === 'Literal' && typeof node.value === 'string'
          ? node.value
          : node.type === 'TemplateElement'
            ? (node.value.cooked ?? '')
            : null;
      if (words === null || !FORBIDDEN.some((pattern) => pattern.test(words))) return;
      const line = text.slice(0, node.start).split('\n').length;
      faults.push(`${path}:${line} spells out a name of an installation: ${JSON.stringify(words.slice(0, 80))}`);
    });
  }
  return faults;
}
