import type { AlertEvent } from './alert-event.ts';
import type { AlertWebhook } from './webhook.ts';

/** PagerDuty takes no more of a summary. */
const MOST_SUMMARY = 1_024;
/** Slack takes 3,000 of a section. */
const MOST_TEXT = 2_900;
const SAID = { opened: 'Opened', grew: 'Grew', reopened: 'Opened again', closed: 'Closed' } as const;

/**
 * What a webhook is told of a change: the body Slack's incoming webhooks take, an event of PagerDuty's Events API v2, or the event as the topic has it.
 * Null: nothing. What is silenced wakes nobody; but it ends what was begun before.
 */
export function webhookBody({ shape, routingKey }: AlertWebhook, event: AlertEvent): object | null {
  if (event.silenced !== null && (event.change !== 'closed' || shape === 'slack')) return null;
  if (shape === 'slack') return slackBody(event);
  return shape === 'pagerduty' ? pagerDutyBody(routingKey ?? '', event) : event;
}

function slackBody({ change, text, alert, since, until, installation }: AlertEvent): object {
  const head = `${SAID[change]}: ${cut(text, MOST_TEXT - 200)}`;
  const times = until === null ? `since ${since}` : `from ${since} until ${until}`;
  const foot = `${times} · installation ${installation} · \`millrace monitor alert ${alert}\``;
  return {
    text: escaped(head),
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `*${escaped(head)}*` } },
      { type: 'context', elements: [{ type: 'mrkdwn', text: escaped(foot) }] },
    ],
  };
}

function pagerDutyBody(routingKey: string, event: AlertEvent): object {
  const { alert, change, text, at, object, field, kind, place, installation } = event;
  const action = { routing_key: routingKey, dedup_key: `millrace/${installation}/${alert}` };
  if (change === 'closed') return { ...action, event_action: 'resolve' };
  return {
    ...action,
    event_action: 'trigger',
    client: 'millrace',
    payload: {
      summary: cut(text, MOST_SUMMARY),
      source: field === null ? object : `${object}.${field}`,
      severity: 'warning',
      timestamp: at,
      component: object,
      group: place,
      class: kind,
      custom_details: event,
    },
  };
}

/** The three characters that mean something to Slack. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
}
