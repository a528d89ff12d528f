/** The console's pages over HTTP: what they say, to whom, and that nothing of what they show becomes HTML. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { fixedClock } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { ALERT_ID, allPages, type ConsoleWorld, openConsoleWorld, PLANTED } from './console-world.ts';

let world: ConsoleWorld;
let api: RunningApi;
let nothing: OwnDatabase;
let empty: RunningApi;
const bugs: unknown[] = [];

beforeAll(async () => {
  const { databaseUrl } = inject('stack');
  world = await openConsoleWorld(databaseUrl);
  nothing = await createOwnDatabase(databaseUrl);
  await migrateToLatest(nothing.pool);
  const workflows = { uiUrl: 'http://temporal.test', namespace: 'here' };
  const onBug = (error: unknown): void => void bugs.push(error);
  api = await startApi({ pool: world.pool, definitions: world.definitions, clock: fixedClock, workflows, onBug });
  empty = await startApi({ pool: nothing.pool, clock: fixedClock, onBug });
});
afterAll(async () => {
  await Promise.all([api.close(), empty.close()]);
  await Promise.all([world.close(), nothing.drop()]);
});

async function page(path: string, of = api): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${of.url}${path}`, { redirect: 'manual' });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** What a reader of the page sees of it. */
const words = (text: string): string => text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');

describe('the pages', () => {
  it('are there, each with one heading, and none has anything of the data as HTML', async () => {
    for (const path of allPages(world)) {
      const { status, text, headers } = await page(path);
      expect([path, status]).toEqual([path, 200]);
      expect(text.match(/<h1>/g)).toHaveLength(1);
      expect([path, /<script|<img|onerror="|<style| style="| on\w+="/.exec(text)]).toEqual([path, null]);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'self'/);
      expect(headers.get('cache-control')).toBe('no-store');
      // Whatever is read of the data has its time; the command beside it prints the same.
      expect(text).toContain('read at 2001-06-10 12:00:00 UTC · the same: <code>millrace ');
      expect([
        ...text.matchAll(/(?:href|src|action)="(?!\/console|#|\?|data:,|http:\/\/temporal\.test\/)[^"]*"/g),
      ]).toEqual([]);
    }
  });

  it('lead to pages that are there', async () => {
    const seen = new Set<string>();
    for (const path of allPages(world)) {
      for (const [, href] of (await page(path)).text.matchAll(/href="(\/console[^"#]*)/g))
        seen.add(href!.replaceAll('&amp;', '&'));
    }
    expect(seen.size).toBeGreaterThan(60);
    for (const href of seen) expect([href, (await page(href)).status]).toEqual([href, 200]);
  });

  it('are there where there is no data, and no definitions', async () => {
    for (const path of [
      '/console',
      '/console/catalogue',
      '/console/catalogue?q=x',
      '/console/training',
      '/console/lineage',
      '/console/alerts',
    ])
      expect([path, (await page(path, empty)).status]).toEqual([path, 200]);
    expect(words((await page('/console', empty)).text)).toContain('Views that are served, the least fresh first: none');
  });

  it('say what is not there, without becoming it', async () => {
    const planted = encodeURIComponent(PLANTED);
    for (const path of [
      `/console/views/${planted}`,
      `/console/views/shop_sales/features/${planted}`,
      `/console/sources/${planted}`,
      `/console/entities/${planted}`,
      `/console/services/${planted}`,
      `/console/models/${planted}`,
      `/console/models/late/rollouts/${planted}`,
      `/console/label-sets/${planted}`,
      `/console/lineage/view/${planted}`,
      `/console/${planted}`,
    ]) {
      const { status, text } = await page(path);
      expect([path, status]).toEqual([path, 404]);
      expect(text).not.toContain('<img');
      expect(text).toContain('there is no ');
      expect(words(text)).toContain('error code: not-in-console');
    }
    expect((await page('/console/views/shop_sales/entity?key.shop=x&at=soon')).text).toContain(
      'expected an ISO time with its zone',
    );
    const wrong = (await page('/console/views/product_sales/entity?key.shop=x&key.number=many')).text;
    expect(words(wrong)).toMatch(/number.*expected/);
  });
});

describe('what they say', () => {
  it('a view: how it is, what it is made of, and what became of it', async () => {
    const { text } = await page('/console/views/shop_sales');
    const said = words(text);
    for (const part of [
      'What a shop sold.',
      'served, version 1',
      'shop: string',
      'pieces_7d',
      'may be null',
      '1 dead letters in all',
      'broken',
      '2 store-corruption',
      '1,234',
      'millrace plan',
      'Coverage and drift',
    ])
      expect(said).toContain(part);
    expect(said).toMatch(/throughput 0\.1\d+ records a second, over 1 h \d+ min of commits/);
    expect(text).toContain('href="http://temporal.test/namespaces/here/workflows/');
    expect(text).toContain('aria-label="records committed: between ');
    expect(text).toContain('read by services</dt><dd><a href="/console/services/shop_model">');
  });

  it('an entity, and how its features came about', async () => {
    const { text } = await page(`/console/views/shop_sales/entity?key.shop=${encodeURIComponent('north')}`);
    expect(words(text)).toContain('last_shop &quot;north&quot; string');
    expect(text).toContain('<code>millrace get shop_sales shop=north</code>');
    expect(text).toContain('<code>millrace explain shop_sales shop=north</code>');
    const planted = (await page(`/console/views/shop_sales/entity?key.shop=${encodeURIComponent(PLANTED)}`)).text;
    expect(planted).toContain('&lt;img src=x');
    expect(words(planted)).toContain('found yes');
  });

  it('what breaks if a field goes', async () => {
    const said = words((await page('/console/sources/sales?field=pieces')).text);
    expect(said).toContain('shop_sales.pieces_7d reads it');
    expect(said).toContain('shop_sales.dear_7d its code names it');
    expect(said).toContain('shop_sales.pieces_a_sale its code names it');
    expect(said).not.toContain('shop_sales.sales_1d');
    expect(said).toContain('services that break shop_model');
    expect(words((await page('/console/sources/sales?field=at')).text)).toContain(
      'It is the event time: every view of this source breaks.',
    );
    expect(words((await page('/console/sources/sales?field=none')).text)).toContain('The source has no field none .');
  });

  it('lineage in both directions, drawn and in words', async () => {
    const { text } = await page('/console/lineage/view/shop_sales');
    const [madeOf, breaks] = [text.indexOf('id="made-of"'), text.indexOf('id="breaks"')];
    expect(words(text.slice(madeOf, breaks))).toContain('sales source');
    expect(words(text.slice(breaks))).toContain('shop_model service');
    expect(text).toContain('<a href="/console/lineage/service/shop_model" aria-label="service shop_model">');
    const model = (await page('/console/lineage/model/late')).text;
    expect(words(model.slice(model.indexOf('id="breaks"')))).toContain(
      'shop_decisions decisions shop_labels label set',
    );
  });

  it('coverage and drift: the most frequent texts beside those of the week before', async () => {
    const { text } = await page('/console/views/shop_sales/quality');
    expect(text).toMatch(/last_shop: &lt;img[^"]* 60\.0 %, was 20\.0 %; north 30\.0 %, was 60\.0 %/);
    expect(words(text)).toContain('2 of 2 features');
  });

  it('a model with its training set, and its rollout with its course', async () => {
    const said = words((await page('/console/models/late')).text);
    for (const part of [
      'champion',
      'What version 1 was trained on',
      'rows 10',
      'event-time',
      'route_delays__flights_1d',
      'f1 is served',
      'auc, with its interval',
      'calibrationError: between 0.02 and 0.02, last 0.02',
      'Null rates of the training set, 1 of 1 columns that have nulls',
      '--compare',
    ])
      expect(said).toContain(part);
    const rollout = words((await page(`/console/models/late/rollouts/${world.rolloutId}`)).text);
    for (const part of [
      'open',
      'not told apart',
      '80 final, 20 not yet, of 100 decisions',
      'tried &lt;img',
      'stage 1 0.4 0.5 -0.1 -0.2 to 0.05 40',
    ])
      expect(rollout).toContain(part);
  });

  it('alerts: what deviates, since when, by how much, where to look and the evidence drawn', async () => {
    const listed = words((await page('/console/alerts')).text);
    expect(listed).toMatch(
      /sales\.pieces where shop = &lt;img.*open coverage 2001-06-10 10:00:00 UTC 20\.0 % 97\.0 % source 4/,
    );
    expect(words((await page('/console')).text)).toContain('1 open alerts');
    const { text } = await page(`/console/alerts/${ALERT_ID}`);
    const said = words(text);
    for (const part of [
      'looked after by &lt;img',
      'records of source sales (its archive)',
      '5 in all',
      'shop_sales.pieces_7d where shop',
    ])
      expect(said).toContain(part);
    expect(text).toContain(`<code>millrace monitor ack ${ALERT_ID} --reason WHY</code>`);
    expect(said).toMatch(
      /coverage of sales\.pieces where shop = .*?, usually 97\.0 %: between 20\.0 % and 97\.0 %, last 20\.0 %/,
    );
  });

  it('finds by name, description, owner and tags, whatever the case', async () => {
    const found = async (query: string): Promise<string[]> => {
      const { text } = await page(`/console/catalogue?${query}`);
      return [...text.matchAll(/<th scope="row"><a href="[^"]*">([^<]*)/g)].map(([, name]) => name!);
    };
    expect(await found('q=WHETHER+well')).toEqual(['shop_labels']);
    expect(await found('q=daily')).toEqual(['shop_sales']);
    expect(await found('q=retail&kind=entity')).toEqual(['shop']);
    expect((await found('q=pieces_7d'))[0]).toBe('shop_sales.pieces_7d');
    expect(await found('q=nothing+of+it')).toEqual([]);
  });
});

it('none of it was a fault of our own', () => {
  expect(bugs).toEqual([]);
});
