import { html } from 'hono/html';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { link, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownBytes, shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { shownLetters } from '../read/shown-letters.ts';

const ROWS = 50;

/** The newest records that a view could not take, and why. */
export async function deadLettersPage(look: ConsoleLook, name: string): Promise<ConsolePage> {
  const { source } = viewIn(look, name);
  const { deps, caller, nowUs } = look;
  const letters = caller.readsAll ? await shownLetters(deps.pool, name, deps.definitions.sources, ROWS) : null;
  const why = caller.readsAll
    ? 'The login of this server may not read dead letters, which hold whole records: the command, with the worker’s login, shows them.'
    : 'Dead letters hold whole records: a token sees them that reads all views (read:*).';
  const shown =
    letters === null
      ? html`<p>${why}</p>`
      : table(
          `The newest ${ROWS}, at most`,
          ['where', 'reasons', 'payload', { n: 'size' }, { n: 'version' }, 'when'],
          letters.map(({ where, reasons, payload, payloadBytes, version, atUs }) => [
            where,
            html`${reasons.map((reason) => html`<p>${reason}</p>`)}`,
            payload === null ? 'none' : html`<code>${payload}</code>`,
            shownBytes(payloadBytes),
            version,
            shownTime(atUs),
          ]),
        );
  const body = html`<p>Of ${link(pathTo('views', name), name)}, from ${link(pathTo('sources', source), source)}. Sensitive values are hashed.</p>
${shown}
${readAt(nowUs, command('dead-letters', name))}
${toDo('Let those pass that are to stay', command('dead-letters', 'accept', source))}`;
  return { title: `Dead letters of ${name}`, path: pathTo('views', name, 'dead-letters'), body };
}
