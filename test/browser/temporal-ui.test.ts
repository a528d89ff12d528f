import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startFormUrl, workflowUrl } from '../../cli/with-temporal.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { TASK_QUEUE } from '../../workflows/task-queues.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { details, detailsSay, isLeftOut, launchBrowser, newPage, sendUpdate, startByForm } from './temporal-ui.ts';

const TIMEOUT_MS = 240_000;
const SCREENSHOT = fileURLToPath(new URL('../../docs/images/feature-in-temporal-ui.png', import.meta.url));

let world: ClicksWorld | null = null;
let browser: Browser | null = null;
afterAll(async () => {
  await browser?.close();
  await world?.close();
});
beforeAll(async () => {
  if (isLeftOut) return;
  browser = await launchBrowser();
  world = await ClicksWorld.open(inject('stack'), TASK_QUEUE, 'person_clicks');
  world.writeHistory(world.make(20_000));
  await world.send(world.make(2_000));
  await world.startWorker();
});

it.skipIf(isLeftOut)(
  'a view is started, seen published, promoted and seen streaming, all in the Temporal Web UI',
  async () => {
    if (world === null || browser === null) throw new Error('there is no browser');
    const stack = inject('stack');
    const temporal = { address: stack.temporalAddress, namespace: stack.temporalNamespace, uiUrl: stack.temporalUiUrl };
    const page = await newPage(browser);
    await startByForm(page, startFormUrl(temporal), {
      id: installationNames().lifecycleId(world.view),
      input: { view: world.view },
      taskQueue: TASK_QUEUE,
    });

    const url = workflowUrl(temporal, installationNames().lifecycleId(world.view));
    await detailsSay(page, url, `${world.view}: published`);
    await details(page).getByText('22,000').waitFor();

    await sendUpdate(page, 'promote');
    await detailsSay(page, url, `${world.view}: streaming`);
    await details(page)
      .getByText(/28 cells of 7 entities compared at seq [\d,]+, 0 differ/)
      .waitFor();
    await world.send(world.make(500));
    const expected = world.expected();
    await expect.poll(() => world?.served(), { timeout: 60_000, interval: 200 }).toEqual(expected);

    if (process.env['MILLRACE_SCREENSHOT'] === '1') {
      mkdirSync(fileURLToPath(new URL('.', `file://${SCREENSHOT}`)), { recursive: true });
      await page.reload();
      await details(page)
        .getByRole('heading', { name: `${world.view}: streaming` })
        .waitFor();
      await page.screenshot({ path: SCREENSHOT });
    }
  },
  TIMEOUT_MS,
);
