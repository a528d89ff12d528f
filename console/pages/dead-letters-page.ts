import { html } from 'hono/html';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { link, pathTo, readAt, table, toDo } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownBytes, shownCount, shownTime } from '../markup/shown.ts';
import type { ConsolePage } from '../page.ts';
import { letterReasons, shownLetters } from '../read/shown-letters.ts';

const ROWS = 50;
/** Of so many the reasons are counted. */
const COUNTED = 1_000;
const REASONS = 30;

/** The newest records that a view could not take, and why. */
export async function deadLettersPage(look: ConsoleLook, name: string): Promise<ConsolePage> {
  const { source } = viewIn(look, name);
  const { deps, caller, nowUs } = look;
  const [letters, counted] = caller.readsAll
    ? await Promise.all([
        shownLetters(deps.pool, name, deps.definitions.sources, ROWS),
        letterReasons(deps.pool, name, deps.definitions.sources, COUNTED),
      ])
    : [null, null];
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
${
  counted === null
    ? ''
    : table(
        `By reason, of the newest ${shownCount(counted.letters)}, at most ${shownCount(COUNTED)}`,
        ['reason', { n: 'records' }],
        counted.reasons.slice(0, REASONS).map(([reason, records]) => [reason, shownCount(records)]),
      )
}
${shown}
${readAt(nowUs, command('dead-letters', name))}
${toDo('Let those pass that are to stay', command('dead-letters', 'accept', source))}`;
  return { title: `Dead letters of ${name}`, path: pathTo('views', name, 'dead-letters'), body };
}
