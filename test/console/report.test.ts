/** `millrace report`: the console's pages in one file that needs nothing beside itself. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ConsoleDeps } from '../../console/console-deps.ts';
import { consoleReport } from '../../console/report.ts';
import { listServices } from '../../engine/define/list-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { OPERATOR } from '../../serving/access/console-access.ts';
import { runCli } from '../cli/run-cli.ts';
import { fixedClock } from '../online/online-fixture.ts';
import { type ConsoleWorld, openConsoleWorld } from './console-world.ts';

let world: ConsoleWorld;
let deps: ConsoleDeps;
const folder = mkdtempSync(join(tmpdir(), 'millrace-report-'));

beforeAll(async () => {
  world = await openConsoleWorld(inject('stack').databaseUrl);
  const { pool, definitions } = world;
  const { views, sources, labelSets, services, abouts = new Map() } = definitions;
  deps = {
    pool,
    clock: fixedClock,
    store: createOnlineStore({ pool, clock: fixedClock }),
    installation: installationNames(),
    definitions: { views, sources, labelSets, abouts },
    services: async () => listServices(services),
    log: null,
    workflows: null,
  };
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world.close();
});

/** What would be asked of a machine, or be run. */
function needs(html: string): string[] {
  const outside = [
    ...html.matchAll(
      / (?:src|href|action|data)="(?!#)[^"]*"|url\(|@import|<(?:script|link|img|iframe|object|form|base)\b/g,
    ),
  ];
  return outside.map(([found]) => found);
}

describe('the report', () => {
  it('has every page once, in one file that needs nothing and has no HTML of the data', async () => {
    const { html, pages, leftOut } = await consoleReport(deps, OPERATOR, {});
    expect(leftOut).toBe(0);
    expect(pages.map(({ path }) => path)).toEqual([
      '/console',
      '/console/alerts',
      ...['product_sales', 'route_delays', 'shop_sales'].flatMap((view) => [
        `/console/views/${view}`,
        `/console/views/${view}/quality`,
        `/console/views/${view}/dead-letters`,
      ]),
      '/console/services/shop_model',
      '/console/models/late',
      '/console/lineage/model/late',
      `/console/models/late/rollouts/${world.rolloutId}`,
      '/console/sources/sales',
      '/console/sources/flights',
      '/console/lineage',
    ]);
    expect(needs(html)).toEqual([]);
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, anchor] of html.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(anchor);
    expect(html).toContain('<a href="#page-9">shop_sales</a>');
    expect(html).toContain('&lt;script&gt;');
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(html).toContain('@media print');
    expect(html).toContain('At most 100 views, services, models and sources each');
    expect(html).toContain('Coverage and drift of shop_sales');
    expect(html).toContain('By reason, of the newest');
  });

  it('is of a view, or of a service with what it reads and who is trained on it', async () => {
    const view = await consoleReport(deps, OPERATOR, { view: 'product_sales' });
    expect(view.pages.map(({ path }) => path)).toEqual([
      '/console/alerts',
      '/console/views/product_sales',
      '/console/views/product_sales/quality',
      '/console/views/product_sales/dead-letters',
      '/console/sources/sales',
      '/console/lineage/view/product_sales',
    ]);
    const service = await consoleReport(deps, OPERATOR, { service: 'shop_model' });
    expect(service.pages.map(({ title }) => title)).toContain('Lineage of shop_model');
    expect(service.pages.map(({ title }) => title)).toContain('shop_sales');
    await expect(consoleReport(deps, OPERATOR, { view: 'none' })).rejects.toMatchObject({ code: 'not-in-console' });
    await expect(consoleReport(deps, OPERATOR, { service: 'none' })).rejects.toMatchObject({ code: 'unknown-service' });
  });

  it('is a command, with definitions or without', async () => {
    const file = join(folder, 'report.html');
    const variables = { DATABASE_URL: world.database.url, MILLRACE_FEATURES: join(folder, 'none') };
    const made = await runCli(['report', '--view', 'shop_sales', '--html', file, '--json'], variables);
    expect([made.exitCode, JSON.parse(made.stdout)]).toMatchObject([
      0,
      { html: file, leftOut: 0, pages: [{ title: 'Alerts' }, { title: 'shop_sales' }, {}, {}, {}, {}] },
    ]);
    expect(made.stderr).toContain('cannot be read');
    const html = readFileSync(file, 'utf8');
    expect(needs(html)).toEqual([]);
    expect(html).toContain('Millrace report: shop_sales');
    const refused = await runCli(['report', '--view', 'none', '--html', file], variables);
    expect([refused.exitCode, refused.stderr]).toMatchObject([
      1,
      expect.stringContaining('there is no view "none"') as string,
    ]);
    const nowhere = await runCli(['report', '--html', join(folder, 'no', 'file.html')], variables);
    expect(nowhere.stderr).toContain('cannot write');
  });
});
