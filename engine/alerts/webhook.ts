export const WEBHOOK_SHAPES = ['slack', 'pagerduty', 'json'] as const;
export type WebhookShape = (typeof WEBHOOK_SHAPES)[number];

/** Where changes of alerts are told, beside their topic. */
export interface AlertWebhook {
  /** What rows, metrics and messages call it. */
  readonly name: string;
  readonly shape: WebhookShape;
  /** A secret: it is never shown. */
  readonly url: string;
  /** Of PagerDuty, a secret, too; else null. */
  readonly routingKey: string | null;
}

export const WEBHOOKS_EXPECTED =
  'NAME=slack+https://…, NAME=pagerduty+https://ROUTING_KEY@events.pagerduty.com/v2/enqueue or NAME=json+https://…, with commas between';

const NAME = /^[a-z][a-z0-9_-]{0,39}$/;

/**
 * Webhooks as configuration names them, null where it does not.
 *
 * @example
 * readAlertWebhooks('team=slack+https://hooks.slack.com/services/T0/B0/x'); // [{ name: 'team', shape: 'slack', … }]
 */
export function readAlertWebhooks(text: string): readonly AlertWebhook[] | null {
  const webhooks = text.split(',').map((part) => webhookOf(part.trim()));
  const names = new Set(webhooks.map((webhook) => webhook?.name));
  return webhooks.every((webhook) => webhook !== null) && names.size === webhooks.length ? webhooks : null;
}

function webhookOf(text: string): AlertWebhook | null {
  const [, name = '', shape = '', address = ''] = /^([^=]*)=([a-z]+)\+(https?:\/\/.+)$/.exec(text) ?? [];
  if (!NAME.test(name) || !isShape(shape) || !URL.canParse(address)) return null;
  const url = new URL(address);
  const routingKey = shape === 'pagerduty' ? decodeURIComponent(url.username) : null;
  if (routingKey === '' || url.password !== '' || (shape !== 'pagerduty' && url.username !== '')) return null;
  url.username = '';
  return { name, shape, url: url.href, routingKey };
}

function isShape(shape: string): shape is WebhookShape {
  return WEBHOOK_SHAPES.includes(shape as WebhookShape);
}
