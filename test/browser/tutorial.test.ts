import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findOnPath } from '../../stack/find-tool.ts';
import {
  type Ended,
  newProject,
  pack,
  RunningCommand,
  temporaryFolder,
  type UserFolder,
  ROOT,
} from '../package/packed.ts';
import { detailsSay, isLeftOut, launchBrowser, newPage, sendUpdate, startByForm } from './temporal-ui.ts';

const LIMIT_MS = 400_000;
const page = readFileSync(join(ROOT, 'docs/tutorial.md'), 'utf8');
const VIEW = 'customer_orders';

/** The commands of each numbered part of the page, line by line. */
const PARTS = [...page.matchAll(/^## (\d)\. (.*)\n([\s\S]*?)(?=^## |$(?![\s\S]))/gm)].map(([, , title, text]) => ({
  title: title!,
  commands: [...text!.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block!.trim().split('\n')),
  code: /^```ts\n([\s\S]*?)^```$/m.exec(text!)?.[1] ?? null,
}));

/** What `dev` printed of its services. */
interface Printed {
  readonly DATABASE_URL: string;
  readonly PGPASSFILE: string;
  readonly API: string;
  readonly uiUrl: string;
  readonly formUrl: string;
}

const folder = temporaryFolder();
let browser: Browser | null = null;
let project: UserFolder;
let dev: RunningCommand | null = null;
let printed: Printed;

beforeAll(async () => {
  if (isLeftOut) return;
  browser = await launchBrowser();
  project = await newProject(folder.path, await pack(folder.path), 'shop');
}, LIMIT_MS);
afterAll(async () => {
  await browser?.close();
  await dev?.kill();
  folder.remove();
});

/** Runs a line of the page as a shell does, with what `dev` printed in its variables. */
async function run(line: string): Promise<Ended> {
  const { DATABASE_URL, PGPASSFILE, API } = dev === null ? ({} as Partial<Printed>) : printed;
  const user = dev === null ? project : project.with({ DATABASE_URL, PGPASSFILE, API });
  const ended = await user.run('sh', ['-c', line]);
  expect({ line, ...ended }).toMatchObject({ status: 0 });
  return ended;
}

function part(title: string): (typeof PARTS)[number] {
  const found = PARTS.find((each) => each.title === title);
  if (found === undefined) throw new Error(`docs/tutorial.md has no part "${title}"`);
  return found;
}

describe.skipIf(isLeftOut)('docs/tutorial.md, from the packed file in an empty folder', { timeout: LIMIT_MS }, () => {
  test('has these parts', () => {
    expect(PARTS.map(({ title }) => title)).toEqual([
      'A project',
      'The services',
      'Start, from the Temporal Web UI',
      'Fetch',
      'Export a training set',
      'Prove it',
    ]);
  });

  test('A project', async () => {
    // The first line is what the folder was made by, with the packed file for the published one.
    const [made, install, ...rest] = part('A project').commands;
    expect([made, install]).toEqual(['npm exec millrace -- init shop', 'cd shop && npm install']);
    await project.install();
    const said = [];
    for (const line of rest) said.push((await run(line)).stdout);
    expect(said[0]).toMatch(/fail 0\b/);
    expect(said[1]).toContain(`${VIEW}  (fingerprint `);
  });

  test('The services', async () => {
    expect(part('The services').commands).toEqual(['npx millrace dev']);
    dev = project.start('dev');
    await dev.said(/ready; Ctrl-C stops all/);
    const place = async (what: RegExp): Promise<string> => (await dev!.said(what))[1]!;
    printed = {
      DATABASE_URL: await place(/Postgres +│ (postgres:\S+)/),
      PGPASSFILE: await place(/PGPASSFILE=(\S+)/),
      API: await place(/API +│ (http\S+)/),
      uiUrl: await place(/Temporal UI +│ (http\S+)/),
      formUrl: await place(/(http\S+start-workflow\S+)/),
    };
    expect(new URL(printed.DATABASE_URL).password).toBe('');
  });

  test('Start, from the Temporal Web UI', async () => {
    const tab: Page = await newPage(browser!);
    await startByForm(tab, printed.formUrl, { id: `feature:${VIEW}`, input: { view: VIEW }, taskQueue: 'millrace' });
    const url = `${printed.uiUrl}/namespaces/default/workflows/${encodeURIComponent(`feature:${VIEW}`)}`;
    await detailsSay(tab, url, `${VIEW}: published`);
    await sendUpdate(tab, 'promote');
    await detailsSay(tab, url, `${VIEW}: streaming`);
    // And the commands beside it do no harm.
    const said = [];
    for (const line of part('Start, from the Temporal Web UI').commands) said.push((await run(line)).stdout);
    expect(said.at(-1)).toMatch(/streaming/);
  });

  test('Fetch, all four the same', async () => {
    const { commands, code } = part('Fetch');
    const got = await run(`${commands[0]!} --json`);
    const { values } = JSON.parse(got.stdout) as { values: Record<string, unknown> };
    expect(Object.keys(values)).toHaveLength(5);
    project.write('app.ts', code!);
    // A window moves on between two reads: what has none is compared.
    expect((await run('node app.ts')).stdout).toMatch(/\d/);
    const [psql, curl] = commands.slice(1);
    const row = await selected(psql!);
    expect(row['last_amount']).toBe(values['last_amount']);
    const { stdout } = await run(curl!);
    const answer = JSON.parse(stdout) as { results: { views: Record<string, { values: Record<string, unknown> }> }[] };
    expect(answer.results[0]!.views[VIEW]!.values['last_amount']).toBe(values['last_amount']);
  });

  test('Export a training set', async () => {
    const [line] = part('Export a training set').commands;
    expect((await run(line!)).stdout).toMatch(/churn\.parquet/);
    expect(existsSync(join(project.path, 'churn.parquet'))).toBe(true);
  });

  test('Prove it', async () => {
    const [audit, explain] = part('Prove it').commands;
    expect((await run(audit!)).stdout).toMatch(/equal/);
    expect((await run(explain!)).stdout).toMatch(/orders_7d = \d/);
    expect(await dev!.stop('SIGINT')).toBe(0);
    dev = null;
  });
});

/** The row of the page's line for `psql`: by it, too, where there is one. */
async function selected(line: string): Promise<Record<string, unknown>> {
  const [, statement] = /-c "([^"]+)"/.exec(line) ?? [];
  if (findOnPath('psql', process.env) !== null) await run(line);
  const [, , , , password] = readFileSync(printed.PGPASSFILE, 'utf8').trim().split(':');
  const url = new URL(printed.DATABASE_URL);
  url.password = password!;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement!);
    expect(rows).toHaveLength(1);
    return rows[0]!;
  } finally {
    await client.end();
  }
}
