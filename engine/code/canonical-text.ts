import type { AnyNode, Expression, ObjectExpression, Property, Statement } from 'acorn';
import type { ModuleGraph, Target } from './module-graph.ts';
import type { OwnModule } from './own-module.ts';
import type { SideEffects } from './side-effects.ts';
import { isNode, isPlainProperty, writtenName } from './syntax.ts';

/** Text with gaps: what stands for a top-level name is known only when all that counts is. */
export type Pieces = readonly (string | Target)[];

/**
 * Options that change no value, or none that the layout does not tell of (`expire`: who reads by it need not build by it), by the function of Millrace
 * that takes them; `a.b` is a member of option `a`. All others count.
 */
const valueless: Readonly<Record<string, readonly string[]>> = {
  featureView: ['refresh', 'expire', 'segments'],
  featureService: ['segments'],
  source: ['invalidLimit', 'headers', 'sensitive', 'segments', 'monitors', 'history.disjoint'],
  decisions: ['segments', 'monitors'],
  outcomes: ['segments', 'monitors'],
};

const positions = new Set(['type', 'start', 'end', 'loc', 'range', 'raw', 'sourceType', 'expression']);

/**
 * A node as text that is the same for all ways to write it down: without formatting, comments, quotes and needless braces, and without
 * the options of Millrace that change no value. Different meanings give different texts.
 *
 * @param graph null for text that stands alone: then every name is itself
 */
export function canonicalText(
  node: AnyNode,
  module: OwnModule | null,
  graph: ModuleGraph | null,
  effects: SideEffects | null,
): Pieces {
  const pieces: (string | Target)[] = [];
  const text = (part: string): void => {
    const last = pieces.length - 1;
    if (typeof pieces[last] === 'string') pieces[last] += part;
    else pieces.push(part);
  };

  const targetOf = (each: AnyNode): Target | undefined => {
    if (module === null || graph === null) return undefined;
    if (each.type === 'Identifier' && module.scopes.module.has(each)) return graph.named(module, each.name);
    if (each.type !== 'MemberExpression' || each.object.type !== 'Identifier') return undefined;
    // `import * as fees`, `fees.flat`: as if it were imported alone.
    const whole = targetOf(each.object);
    const name = writtenName(each.property, each.computed);
    if (whole?.kind !== 'module' || whole.module.json !== undefined || name === null) return undefined;
    return graph.exportsOf(whole.module).get(name);
  };

  const importedModule = (specifier: string): Target | null => {
    const own = module === null ? null : graph?.imported(module, specifier);
    return own ? { kind: 'module', module: own } : null;
  };

  const emit = (each: AnyNode): void => {
    const target = targetOf(each);
    if (target !== undefined) {
      pieces.push(target);
      return;
    }
    switch (each.type) {
      case 'Identifier':
        text(each.name);
        return;
      case 'Literal':
        if (each.regex) text(`/${each.regex.pattern}/${each.regex.flags}`);
        else if (typeof each.value === 'bigint') text(`${each.value}n`);
        else text(typeof each.value === 'string' ? JSON.stringify(each.value) : String(each.value));
        return;
      case 'ImportExpression': {
        const own = each.source.type === 'Literal' ? importedModule(String(each.source.value)) : null;
        if (own === null) emitFields(each);
        else {
          text('import ');
          pieces.push(own);
        }
        return;
      }
      case 'TemplateLiteral':
        if (each.expressions.length === 0) text(JSON.stringify(each.quasis[0]?.value.cooked));
        else emitFields(each);
        return;
      case 'TemplateElement':
        text(JSON.stringify(each.value.cooked));
        return;
      case 'TaggedTemplateExpression':
        // A tag sees the text as it is written.
        text(`(Tagged ${JSON.stringify(each.quasi.quasis.map(({ value }) => value.raw))} `);
        emit(each.tag);
        for (const part of each.quasi.expressions) emitAfter(' ', part);
        text(')');
        return;
      case 'MemberExpression':
        text(each.optional ? '(?. ' : '(. ');
        emit(each.object);
        text(' ');
        emitKey(each.property, each.computed, true);
        text(')');
        return;
      case 'Property': {
        if (each.kind !== 'init' || each.method) text(`${each.kind}${each.method ? '()' : ''} `);
        emitKey(each.key, each.computed, true);
        // `{ __proto__ }` is a member of that name, `{ __proto__: x }` the prototype.
        if (each.shorthand) text(writtenName(each.key, false) === '__proto__' ? '!' : '');
        emitAfter(':', each.value);
        return;
      }
      case 'MethodDefinition':
      case 'PropertyDefinition':
        text(`(${each.type}${each.static ? ' static' : ''}${'kind' in each ? ` ${each.kind}` : ''} `);
        emitKey(each.key, each.computed, false);
        if (each.value) emitAfter(' ', each.value);
        text(')');
        return;
      case 'ArrowFunctionExpression': {
        const only = each.body.type === 'BlockStatement' && each.body.body.length === 1 ? each.body.body[0] : null;
        const result = only?.type === 'ReturnStatement' ? only.argument : null;
        emitFields(result ? { ...each, body: result } : each);
        return;
      }
      case 'IfStatement':
        emitFields({
          ...each,
          consequent: unwrapped(each.consequent),
          alternate: each.alternate ? unwrapped(each.alternate) : null,
        });
        return;
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
        emitFields({ ...each, body: unwrapped(each.body) });
        return;
      case 'CallExpression': {
        const options = each.arguments[1];
        const dropped = valuelessOptions(each.callee);
        if (dropped === null || options?.type !== 'ObjectExpression') emitFields(each);
        else emitFields({ ...each, arguments: each.arguments.with(1, withoutOptions(options, dropped)) });
        return;
      }
      default:
        emitFields(each);
    }
  };

  const emitAfter = (before: string, each: AnyNode): void => {
    text(before);
    emit(each);
  };

  /** `foldComputed`: whether `['a']` means the same as `a` here. */
  const emitKey = (key: AnyNode, computed: boolean, foldComputed: boolean): void => {
    const name = key.type === 'PrivateIdentifier' ? null : writtenName(key as Expression, computed);
    if (name !== null && (!computed || (foldComputed && name !== '__proto__'))) text(JSON.stringify(name));
    else if (key.type === 'PrivateIdentifier') text(`#${key.name}`);
    else {
      text(computed ? '[' : '');
      emit(key);
      text(computed ? ']' : '');
    }
  };

  /** All that a node holds, by the names of its fields; what is absent, false or nothing is left out. */
  const emitFields = (each: AnyNode): void => {
    text(`(${each.type}`);
    for (const [name, value] of Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)) as [string, unknown][]) {
      if (positions.has(name) && !(name === 'expression' && isNode(value))) continue;
      if (value === null || value === undefined || value === false) continue;
      text(` ${name}=`);
      if (Array.isArray(value)) {
        text('[');
        for (const part of value as (AnyNode | null)[]) {
          if (part === null) text('-,');
          else if (part.type !== 'EmptyStatement') {
            emit(part);
            text(',');
          }
        }
        text(']');
      } else if (isNode(value)) emit(value);
      else text(JSON.stringify(value));
    }
    text(')');
  };

  const valuelessOptions = (callee: AnyNode): readonly string[] | null => {
    const target = targetOf(callee);
    if (target?.kind !== 'outside' || target.specifier !== 'millrace') return null;
    return Object.hasOwn(valueless, target.name) ? (valueless[target.name] ?? null) : null;
  };

  /** Options without those that change no value, in the order of their names where that is sure to be all the same. */
  const withoutOptions = (options: ObjectExpression, dropped: readonly string[]): ObjectExpression => {
    const effectless = (part: AnyNode): boolean =>
      module !== null && effects !== null && effects.of(module, part) === 'none';
    const kept = options.properties.flatMap((part): typeof options.properties => {
      if (!isPlainProperty(part)) return [part];
      const name = writtenName(part.key, part.computed) as string;
      if (dropped.includes(name) && effectless(part.value)) return [];
      const inside = dropped.flatMap((path) => (path.startsWith(`${name}.`) ? path.slice(name.length + 1) : []));
      if (inside.length === 0 || part.value.type !== 'ObjectExpression') return [part];
      return [{ ...part, value: withoutOptions(part.value, inside) }];
    });
    const names = kept.map((part) => (isPlainProperty(part) ? writtenName(part.key, part.computed) : null));
    const sortable = new Set(names).size === names.length && !names.includes(null) && kept.every(effectless);
    const byName = (part: (typeof kept)[number]): string => String(writtenName((part as Property).key, false));
    return { ...options, properties: sortable ? kept.sort((a, b) => (byName(a) < byName(b) ? -1 : 1)) : kept };
  };

  emit(node);
  return pieces;
}

/** A block of one statement is that statement, unless it declares something. */
function unwrapped(node: Statement): Statement {
  if (node.type !== 'BlockStatement' || node.body.length !== 1) return node;
  const [only] = node.body;
  return only === undefined || only.type.endsWith('Declaration') ? node : only;
}
