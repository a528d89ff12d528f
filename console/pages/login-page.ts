import { html } from 'hono/html';
import { link } from '../markup/parts.ts';
import type { ConsolePage } from '../page.ts';

/** How one comes in. */
export interface LoginAsk {
  readonly asksTokens: boolean;
  /** Where to go on to. */
  readonly to: string;
  readonly isRefused: boolean;
}

/** Where a token is exchanged for a session. */
export function loginPage({ asksTokens, to, isRefused }: LoginAsk): ConsolePage {
  const body = asksTokens
    ? html`${isRefused ? html`<p class="bad" role="alert">The token is unknown, revoked or expired.</p>` : ''}
<form method="post" action="/console/login"><input type="hidden" name="to" value="${to}"><p><label for="token">Token</label><input id="token" name="token" type="password" autocomplete="off" required></p><p><button type="submit">Enter</button></p></form>
<p class="note">An administrator makes one: <code>millrace token create NAME --scope 'read:*'</code>. The session ends after 8 hours, or with the token.</p>`
    : html`<p>This server asks nobody for a token: ${link(to, 'go on')}.</p>`;
  return { title: 'Enter', path: '/console/login', body };
}
