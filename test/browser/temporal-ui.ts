import { existsSync } from 'node:fs';
import { type Browser, chromium, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';

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
const executablePath = PLACES.find((path) => existsSync(path));
if (executablePath === undefined) process.stderr.write(`browser test: no browser found at ${PLACES.join(', ')}\n`);

/** Whether tests of pages are left out: on a machine without a browser, but never in CI. */
export const isLeftOut = executablePath === undefined && process.env['CI'] !== 'true';

/** A browser, without a window. */
export async function launchBrowser(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(`no browser at ${PLACES.join(', ')}: install chromium`);
  return await chromium.launch({ executablePath, args: ARGS });
}

/** A page as wide as a person's. */
export async function newPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1050 } });
  page.setDefaultTimeout(30_000);
  return page;
}

/** Fills in and sends the Temporal UI's start form, whose type and task queue its address gives. */
export async function startByForm(
  page: Page,
  formUrl: string,
  workflow: { readonly id: string; readonly input: object; readonly taskQueue: string; readonly type?: string },
): Promise<void> {
  await page.goto(formUrl);
  await page.getByText('Task Queue is Active').waitFor();
  expect(await page.locator('#workflowType').inputValue()).toBe(workflow.type ?? 'featureLifecycle');
  expect(await page.locator('#taskQueue').inputValue()).toBe(workflow.taskQueue);
  await page.fill('#workflowId', workflow.id);
  await page.locator('.cm-content').first().click();
  // The form comes with the input of the last workflow of this type.
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.insertText(JSON.stringify(workflow.input));
  const started = page.getByText('Workflow started successfully').or(page.getByText(/already (running|started)/i));
  await clickUntil(page.getByTestId('start-workflow-button'), started);
}

/** Sends an update without input to the workflow whose page is open. */
export async function sendUpdate(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'More Actions' }).click();
  await page.getByTestId('update-button').last().click();
  const dialog = page.locator('dialog#update-confirmation-modal[open]');
  await dialog.getByTestId('update-select-button').click();
  await dialog.getByRole('option', { name: new RegExp(`^${name}`) }).click();
  await dialog.getByTestId('confirm-modal-button').click();
  await dialog.waitFor({ state: 'hidden' });
}

/** Clicks until `done` shows: the editor reformats what was typed when it loses focus, and the first click may then miss. */
async function clickUntil(button: Locator, done: Locator): Promise<void> {
  await expect
    .poll(
      async () => {
        await button.click({ timeout: 2_000 }).catch(() => {});
        // On a busy machine the answer comes late, and what says so is gone before one looks again.
        return await done
          .first()
          .waitFor({ timeout: 5_000 })
          .then(
            () => true,
            () => false,
          );
      },
      { timeout: 60_000, interval: 500 },
    )
    .toBe(true);
}

/** The rendered Markdown of the current details stands in a frame of its own. */
export function details(page: Page): FrameLocator {
  return page.frameLocator('iframe');
}

/** Opens the workflow's current details, afresh, until they say `heading`. */
export async function detailsSay(page: Page, url: string, heading: string): Promise<void> {
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
