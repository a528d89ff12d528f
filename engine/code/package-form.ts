import { type AnyNode, parse, type Program } from 'acorn';
import { canonicalText } from './canonical-text.ts';
import { resolveScopes } from './scopes.ts';
import { walk } from './syntax.ts';

/** What a bundler brings along itself is known by its name: its text is the bundler's, and changes with it. */
const bundlersOwn = new RegExp(
  `^__(?:${[
    'create|defProp|defProps|getOwnPropDesc|getOwnPropDescs|getOwnPropNames|getOwnPropSymbols|getProtoOf|hasOwnProp|propIsEnum',
    'commonJS|commonJSMin|esm|esmMin|export|copyProps|toESM|toCommonJS|toBinary|toBinaryNode|require|reExport|publicField|name|glob',
  ].join('|')})$`,
);

/**
 * The code of packages, as `readPackageCode` gives it, in a form that two releases of the bundler agree in: read, its names numbered, the bundler's
 * own functions left out, and printed as own code is.
 *
 * @throws SyntaxError where the text is no module
 */
export function packageForm(text: string): string {
  if (text === '') return '';
  const program = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
  const { bound } = resolveScopes(program);
  for (const node of program.body) tellApart(node);
  const body = program.body.flatMap(withoutBundlersOwn);
  const numbers = new Map<object, Map<string, string>>();
  let count = 0;
  for (const node of body) {
    walk(node, (each) => {
      const scope = each.type === 'Identifier' ? bound.get(each) : undefined;
      if (scope === undefined || each.type !== 'Identifier' || bundlersOwn.test(each.name)) return;
      const known = numbers.get(scope) ?? new Map<string, string>();
      numbers.set(scope, known);
      const number = known.get(each.name) ?? `#${count++}`;
      known.set(each.name, number);
      each.name = number;
    });
  }
  return body.map((node) => canonicalText(node, null, null, null).map(String).join('')).join('\n');
}

type TopNode = Program['body'][number];

/** Where `export { a }` says two things by one name, the parser has one node for both: outside it stays `a`. */
function tellApart(node: TopNode): void {
  if (node.type === 'ExportNamedDeclaration') {
    for (const part of node.specifiers) if (part.exported === part.local) part.exported = { ...part.local };
  } else if (node.type === 'ImportDeclaration') {
    for (const part of node.specifiers) {
      if (part.type === 'ImportSpecifier' && part.imported === part.local) part.imported = { ...part.local };
    }
  }
}

function withoutBundlersOwn(node: TopNode): AnyNode[] {
  if (node.type !== 'VariableDeclaration') return [node];
  // How many a statement declares is the printer's.
  return node.declarations.flatMap((each): AnyNode[] =>
    each.id.type === 'Identifier' && bundlersOwn.test(each.id.name)
      ? []
      : [{ ...node, declarations: [each] } satisfies AnyNode],
  );
}
