import { expect, test } from 'vitest';
import { askElsewhere, otherPlace } from '../../engine/define/elsewhere.ts';
import { writeProject } from './code-of.ts';

test('the other place is unlike this one', () => {
  const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();
  const other = otherPlace();
  expect(other.timeZone).not.toBe(timeZone);
  expect(other.locale.slice(0, 2)).not.toBe(locale.slice(0, 2));
  expect(otherPlace({ timeZone: 'Pacific/Chatham', locale: 'tr-CY' } as Intl.ResolvedDateTimeFormatOptions)).toEqual({
    timeZone: 'America/St_Johns',
    locale: 'sv-SE',
  });
});

test('the second process is in another time zone, locale, environment and folder, and at another time', async () => {
  const folder = writeProject({
    'index.ts': `import { entity, featureView, source } from 'millrace';
      import { z } from 'zod';
      const place = [Intl.DateTimeFormat().resolvedOptions(), (1.5).toLocaleString(), process.env.HOME, process.cwd(), new Date().getTime()];
      export const view = featureView('v', { entity: entity('thing', { id: z.string() }),
        source: source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string() }), eventTime: 'at', topic: 'events' }),
        features: (f) => ({ x: f.last(() => JSON.stringify(place), { type: z.string() }) }) });`,
  });
  const elsewhere = askElsewhere(folder);
  const { views, failure } = await elsewhere.report();
  elsewhere.stop();
  expect(failure).toBeNull();
  const text = JSON.parse(views[0]?.results[0]?.texts[0] ?? '""') as string;
  const [options, number, home, cwd, now] = JSON.parse(text) as [Intl.ResolvedDateTimeFormatOptions, ...string[]];
  const { timeZone, locale } = otherPlace();
  expect([options.timeZone, options.locale]).toEqual([timeZone, locale]);
  expect(number).toBe('1,5');
  expect(home).toBeNull();
  expect(cwd).not.toBe(process.cwd());
  expect(Number(now) - Date.now()).toBeGreaterThan(300 * 86_400_000);
});

test('a process that ends without an answer is told, and can be tried again', async () => {
  const elsewhere = askElsewhere(writeProject({ 'index.ts': `console.error('so long'); process.exit(3);` }));
  await expect(elsewhere.report()).rejects.toMatchObject({
    code: 'definitions-not-probed',
    retryable: true,
    message: expect.stringMatching(/ended with 3 and said: so long/),
  });
});

test('a process that is not asked any more ends', async () => {
  const elsewhere = askElsewhere(
    writeProject({ 'index.ts': 'setInterval(() => {}, 1000); await new Promise(() => {});' }),
  );
  elsewhere.stop();
  await expect(elsewhere.report()).rejects.toMatchObject({ message: expect.stringContaining('SIGKILL') });
});
