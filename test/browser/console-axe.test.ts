/** The console in Chromium: what axe finds, the keyboard, a phone, the dark, and that nothing of it asks any other machine. */
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { allPages, type ConsoleWorld, openConsoleWorld } from '../console/console-world.ts';
import { fixedClock } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { isLeftOut, launchBrowser } from './temporal-ui.ts';

const SCREENSHOT = fileURLToPath(new URL('../../docs/images/console-lineage.png', import.meta.url));

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

let browser: Browser;
let world: ConsoleWorld;
let nothing: OwnDatabase;
let api: RunningApi;
let empty: RunningApi;
let tokens: RunningApi;

beforeAll(async () => {
  if (isLeftOut) return;
  browser = await launchBrowser();
  world = await openConsoleWorld(inject('stack').databaseUrl);
  nothing = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(nothing.pool);
  const { pool, definitions } = world;
  api = await startApi({ pool, definitions, clock: fixedClock });
  tokens = await startApi({ pool, definitions, clock: fixedClock, access: { auth: 'tokens' } });
  empty = await startApi({ pool: nothing.pool, clock: fixedClock });
});
afterAll(async () => {
  if (isLeftOut) return;
  await browser.close();
  await Promise.all([api.close(), tokens.close(), empty.close()]);
  await Promise.all([world.close(), nothing.drop()]);
});

/** What axe finds of weight of the page that is open, and what in it; by these rules alone, or by all. */
async function found(page: Page, rules?: readonly string[]): Promise<string[]> {
  const options = JSON.stringify({ resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) });
  const { violations } = await page.evaluate<AxeResults>(`axe.run(document, ${options})`);
  return violations.filter(({ impact }) => impact !== 'minor').map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`);
}

/** A page whose requests, refusals by the policy and errors are noted. */
async function watched(context: BrowserContext): Promise<{ page: Page; asked: string[]; said: string[] }> {
  const page = await context.newPage();
  const asked: string[] = [];
  const said: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  return { page, asked, said };
}

describe.skipIf(isLeftOut)('the console in a browser', () => {
  it('has nothing serious for axe in the light and the dark, fits a phone, asks no other machine and breaks no policy', async () => {
    const context = await browser.newContext();
    const { page, asked, said } = await watched(context);
    const places = [
      ...allPages(world).map((path) => api.url + path),
      ...['/console', '/console/catalogue', '/console/training', '/console/lineage', '/console/alerts'].map(
        (path) => empty.url + path,
      ),
      `${api.url}/console/views/none`,
      `${api.url}/console/alerts/none`,
      `${api.url}/console/views/shop_sales/requests?key.shop=north`,
      `${tokens.url}/console/login`,
      `${tokens.url}/console`,
    ];
    for (const place of places) {
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.goto(place);
      await page.evaluate(axe.source);
      expect([place, await found(page)]).toEqual([place, []]);
      await page.emulateMedia({ colorScheme: 'dark' });
      expect([place, 'dark', await found(page, ['color-contrast'])]).toEqual([place, 'dark', []]);
      // What is wide scrolls by itself: the page does not.
      await page.setViewportSize({ width: 360, height: 700 });
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
      expect([place, Math.max(0, overflow)]).toEqual([place, 0]);
    }
    const hosts = new Set([api, empty, tokens].map(({ url }) => new URL(url).host));
    expect(asked.filter((url) => !url.startsWith('data:') && !hosts.has(new URL(url).host))).toEqual([]);
    // That a page is not there is said by the browser, too.
    expect(said.filter((text) => !/status of 404/.test(text))).toEqual([]);
    await context.close();
  });

  it('is used with the keyboard alone', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await page.goto(`${api.url}/console`);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content');
    expect(await page.evaluate('document.activeElement.getBoundingClientRect().left >= 0')).toBe(true);
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    // Everything that can be done has a place in the order, and shows when it is there.
    await page.goto(`${api.url}/console/lineage/view/shop_sales`);
    const order: string[] = [];
    for (let step = 0; step < 40; step++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate<[string, string]>(
        '[document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]',
      );
      order.push(at[0]);
      if (at[0] === 'service shop_model') break;
    }
    expect(order).toContain('source sales');
    expect(order.at(-1)).toBe('service shop_model');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/lineage/service/shop_model');
    await page.locator('#q').focus();
    await page.keyboard.type('pieces_7d');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/catalogue?q=pieces_7d');
    await page.getByRole('link', { name: 'shop_sales.pieces_7d' }).click();
    await page.waitForURL('**/console/views/shop_sales/features/pieces_7d');
    await context.close();
  });

  it('is as the docs show it', async () => {
    const context = await browser.newContext({ viewport: { width: 1100, height: 620 }, deviceScaleFactor: 1 });
    const page = await context.newPage();
    await page.goto(`${api.url}/console/lineage/service/shop_model`);
    await page.getByRole('link', { name: 'service shop_model' }).waitFor();
    if (process.env['MILLRACE_SCREENSHOTS'] === 'true') await page.screenshot({ path: SCREENSHOT });
    await context.close();
  });
});
