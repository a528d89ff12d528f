import { html } from 'hono/html';
import type { ConsoleDeps } from './console-deps.ts';
import { toDo } from './markup/parts.ts';
import type { Markup } from './page.ts';

/** What is to be done with a workflow: a command, and where Temporal's UI shows it, if that is known. */
export function workflowPart({ workflows }: ConsoleDeps, workflowId: string, what: string, command: string): Markup {
  if (workflows === null) return toDo(what, command);
  const { uiUrl, namespace } = workflows;
  const url = `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
  return html`${toDo(what, command)}<p><a href="${url}" rel="noreferrer">Open it in Temporal</a>, where it is steered.</p>`;
}
