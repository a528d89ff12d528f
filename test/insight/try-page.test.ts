import { expect, test } from 'vitest';
import { tryPage } from '../../engine/insight/try-page.ts';
import { sale, trial } from './insight-fixture.ts';

test('the page has every feature with its plots, and needs nothing of elsewhere', async () => {
  const history = Array.from({ length: 120 }, (_, n) =>
    sale(n, n % 4 === 0 ? { city: '<script>alert(1)</script>' } : {}),
  );
  const { run, spine } = await trial(history);
  const labels = Array.from({ length: 60 }, (_, n) => ({
    shop: 'north',
    event_timestamp: new Date(Date.UTC(2026, 2, 1) + n * 7_200_000 + 1).toISOString(),
    '<b>bad</b>': (n * 5) % 7 < 3,
  }));
  const report = await run('by_shop', { spine: await spine(labels), label: '<b>bad</b>' });
  const page = await tryPage(report);
  for (const { column } of report.features) expect(page).toContain(`<h2>${column}</h2>`);
  // A plot of values each, and of the label by value; what is sensitive and a number has neither.
  expect(page.match(/<svg/g)).toHaveLength(2 * report.features.length - 2);
  expect(page).not.toMatch(/<script|<b>|<link|<img|@import/i);
  expect(page).toContain('&lt;b&gt;bad&lt;/b&gt;');
  const addresses = new Set(page.match(/\bhttps?:\/\/[^"' )<]+/g));
  expect([...addresses].filter((address) => !address.startsWith('http://www.w3.org/'))).toEqual([]);
});
