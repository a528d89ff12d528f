import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startFormUrl, workflowUrl } from '../../cli/with-temporal.ts';
import { featureWorkflowId } from '../../workflows/feature-lifecycle/workflow-id.ts';
import { TASK_QUEUE } from '../../workflows/task-queues.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium'];
const ARGS = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
const TIMEOUT_MS = 240_000;
const SCREENSHOT = fileURLToPath(new URL('../../docs/images/feature-in-temporal-ui.png', import.meta.url));

const executablePath = PLACES.find((path) => existsSync(path));
const isCi = process.env['CI'] === 'true';
if (executablePath === undefined) process.stderr.write(`browser test: no browser found at ${PLACES.join(', ')}\n`);

let world: ClicksWorld | null = null;
let browser: Browser | null = null;
afterAll(async () => {
  await browser?.close();
  await world?.close();
});
beforeAll(async () => {
  if (executablePath === undefined) return;
  world = await ClicksWorld.open(inject('stack'), TASK_QUEUE, 'person_clicks');
  world.writeHistory(world.make(20_000));
  await world.send(world.make(2_000));
  await world.startWorker();
  browser = await chromium.launch({ executablePath, args: ARGS });
});

/** Clicks until `done` shows: the editor reformats what was typed when it loses focus, and the first click may then miss. */
async function clickUntil(button: Locator, done: Locator): Promise<void> {
  await expect
    .poll(
      async () => {
        await button.click({ timeout: 2_000 }).catch(() => {});
        return await done.first().isVisible();
      },
      { timeout: 60_000, interval: 500 },
    )
    .toBe(true);
}

/** The rendered Markdown of the current details stands in a frame of its own. */
function details(page: Page): FrameLocator {
  return page.frameLocator('iframe');
}

/** Opens the workflow's current details, afresh, until they say `heading`. */
async function detailsSay(page: Page, url: string, heading: string): Promise<void> {
  await expect
    .poll(
      async () => {
        await page.goto(url);
        await page.getByTestId('user-metadata-tab').click();
        await page.getByText('Current Details').waitFor();
        const shown = details(page).getByRole('heading', { name: heading });
        // The details come by a query of their own, a moment after the page.
        await shown.waitFor({ timeout: 3_000 }).catch(() => {});
        return await shown.isVisible();
      },
      { timeout: 90_000, interval: 200 },
    )
    .toBe(true);
}

it.skipIf(executablePath === undefined && !isCi)(
  'a view is started, seen published, promoted and seen streaming, all in the Temporal Web UI',
  async () => {
    if (world === null || browser === null) throw new Error(`no browser at ${PLACES.join(', ')}: install chromium`);
    const stack = inject('stack');
    const temporal = { address: stack.temporalAddress, namespace: stack.temporalNamespace, uiUrl: stack.temporalUiUrl };
    const page = await browser.newPage({ viewport: { width: 1400, height: 1050 } });
    page.setDefaultTimeout(30_000);

    await page.goto(startFormUrl(temporal));
    await page.getByText('Task Queue is Active').waitFor();
    expect(await page.locator('#workflowType').inputValue()).toBe('featureLifecycle');
    expect(await page.locator('#taskQueue').inputValue()).toBe(TASK_QUEUE);
    await page.fill('#workflowId', featureWorkflowId(world.view));
    await page.locator('.cm-content').first().click();
    await page.keyboard.insertText(JSON.stringify({ view: world.view }));
    const started = page.getByText('Workflow started successfully').or(page.getByText(/already (running|started)/i));
    await clickUntil(page.getByTestId('start-workflow-button'), started);

    const url = workflowUrl(temporal, featureWorkflowId(world.view));
    await detailsSay(page, url, `${world.view}: published`);
    await details(page).getByText('22,000').waitFor();

    await page.getByRole('button', { name: 'More Actions' }).click();
    await page.getByTestId('update-button').last().click();
    const dialog = page.locator('dialog#update-confirmation-modal[open]');
    await dialog.getByTestId('update-select-button').click();
    await dialog.getByRole('option', { name: /^promote/ }).click();
    await dialog.getByTestId('confirm-modal-button').click();
    await dialog.waitFor({ state: 'hidden' });

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
