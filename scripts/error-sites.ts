import { stripTypeScriptTypes } from 'node:module';
import {
  type AnyNode,
  type CallExpression,
  type Expression,
  type NewExpression,
  type ObjectExpression,
  parse,
  type Program,
} from 'acorn';
import { walk, writtenName } from '../engine/code/syntax.ts';
import { writtenWords } from './written-words.ts';

/** A place in the sources that raises an error. */
export interface ErrorSite {
  readonly code: string;
  readonly path: string;
  /** `error`: thrown; `fault`: one of several that are told at once, or of a workflow, which has no status of its own. */
  readonly kind: 'error' | 'fault';
  /** What it may say to do, by turns; empty where that is decided elsewhere. `‹name›` stands for what is put in. */
  readonly remedies: readonly string[];
  /** Null where it is decided elsewhere. */
  readonly httpStatus: number | null;
  /** Whether the same may succeed later: `retries` a few times, `waits` for as long as it takes. */
  readonly passes: 'retries' | 'waits' | 'sometimes' | 'no';
}

/**
 * Every place of a module that raises an error of one of these codes: `new MillraceError(code, …)`, a function of the module around that,
 * an object with `code`, `message` and `remedy`, or a call whose first or second argument is the code and whose last is the remedy.
 */
export function errorSites(path: string, text: string, codes: ReadonlySet<string>): ErrorSite[] {
  const program = parse(stripTypeScriptTypes(text), { ecmaVersion: 'latest', sourceType: 'module' });
  const sites: ErrorSite[] = [];
  const codesOf = (node: AnyNode | undefined): string[] =>
    node === undefined ? [] : writtenWords(node, program).filter((word) => codes.has(word));
  walk(program, (node) => {
    if (isRaise(node)) {
      for (const code of codesOf(node.arguments[0])) sites.push({ code, path, ...optionsOf(node, program) });
    } else if (node.type === 'ObjectExpression') {
      const remedy = propertyOf(node, 'remedy');
      if (remedy === undefined) return;
      for (const code of codesOf(propertyOf(node, 'code')))
        sites.push({ code, path, ...rowOptions(node), remedies: writtenWords(remedy, program) });
    } else if (node.type === 'CallExpression' && node.arguments.length >= 3) {
      for (const code of node.arguments.slice(0, 2).flatMap(codesOf))
        sites.push({ code, path, ...calledOptions(node, program) });
    }
  });
  return sites;
}

type Options = Omit<ErrorSite, 'code' | 'path'>;

const FAULT = { kind: 'fault', httpStatus: null, passes: 'no' } as const;

/** Of an object with code and remedy: a fault, or a row of the table of faults (`engine/faults`), which becomes an error. */
function rowOptions(node: ObjectExpression): Omit<Options, 'remedies'> {
  const verdict = propertyOf(node, 'verdict');
  const status = propertyOf(node, 'httpStatus');
  if (verdict?.type !== 'Literal' || status === undefined) return FAULT;
  const passes = verdict.value === 'wait' ? 'waits' : verdict.value === 'retry' ? 'retries' : 'no';
  return { kind: 'error', httpStatus: numberOf(status), passes };
}

function isRaise(node: AnyNode): node is NewExpression {
  return node.type === 'NewExpression' && node.callee.type === 'Identifier' && node.callee.name === 'MillraceError';
}

function optionsOf(raise: NewExpression, program: Program): Options {
  const options = raise.arguments[2];
  const remedy = propertyOf(options, 'remedy');
  const status = propertyOf(options, 'httpStatus');
  const retryable = propertyOf(options, 'retryable');
  const waits = propertyOf(options, 'waits');
  return {
    kind: 'error',
    remedies: remedy === undefined ? [] : writtenWords(remedy, program),
    httpStatus: status === undefined ? 400 : numberOf(status),
    passes: waits !== undefined ? 'waits' : retryable === undefined ? 'no' : flagOf(retryable),
  };
}

/** Of a call that is given the code: of the error that the function makes, where it is one of this module; else a fault, and its remedy comes last. */
function calledOptions(call: CallExpression, program: Program): Options {
  const fault = { ...FAULT, remedies: call.arguments.slice(-1).flatMap((last) => writtenWords(last, program)) };
  const { callee } = call;
  if (callee.type !== 'Identifier') return fault;
  let options: Options = fault;
  walk(program, (node) => {
    const name =
      (node.type === 'FunctionDeclaration' || node.type === 'VariableDeclarator') && node.id?.type === 'Identifier'
        ? node.id.name
        : null;
    if (name !== callee.name) return;
    walk(node, (inner) => {
      if (!isRaise(inner)) return;
      const own = optionsOf(inner, program);
      options = { ...own, remedies: own.remedies.length === 0 ? fault.remedies : own.remedies };
    });
  });
  return options;
}

function propertyOf(node: AnyNode | undefined, name: string): Expression | undefined {
  if (node?.type !== 'ObjectExpression') return undefined;
  for (const property of node.properties) {
    if (property.type === 'Property' && writtenName(property.key, property.computed) === name) return property.value;
  }
  return undefined;
}

function numberOf(node: AnyNode): number | null {
  return node.type === 'Literal' && typeof node.value === 'number' ? node.value : null;
}

function flagOf(node: AnyNode): ErrorSite['passes'] {
  if (node.type === 'Literal') return node.value === true ? 'retries' : 'no';
  return 'sometimes';
}
