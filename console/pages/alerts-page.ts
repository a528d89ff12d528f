import { html } from 'hono/html';
import type { ConsoleLook } from '../console-look.ts';
import type { ConsolePage } from '../page.ts';

/** Alerts, open and past. */
export async function alertsPage(_look: ConsoleLook): Promise<ConsolePage> {
  return { title: 'Alerts', path: '/console/alerts', body: html`<p>Nothing is watched yet.</p>` };
}
