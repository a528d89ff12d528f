import { describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import type { AlertEvent } from '../../engine/alerts/alert-event.ts';
import { type AlertWebhook, readAlertWebhooks } from '../../engine/alerts/webhook.ts';
import { webhookBody } from '../../engine/alerts/webhook-body.ts';

const EVENT: AlertEvent = {
  id: 'al_1/1',
  alert: 'al_1',
  change: 'opened',
  installation: 'default',
  at: '2026-06-01T13:05Z',
  kind: 'coverage',
  place: 'producer',
  object: 'flights',
  field: 'delay',
  segment: { name: 'origin', value: '<!channel>' },
  since: '2026-06-01T12:00Z',
  until: null,
  value: 0,
  usual: 0.97,
  records: 300,
  members: 1,
  text: 'flights.delay where origin = <!channel> & more: coverage 0.0 %',
  silenced: null,
};
const CLOSED: AlertEvent = { ...EVENT, id: 'al_1/2', change: 'closed', until: '2026-06-01T14:00Z' };
const SILENCED = { who: 'ana', reason: 'known' };
const of = (shape: AlertWebhook['shape']): AlertWebhook => ({
  name: 'w',
  shape,
  url: 'http://h/',
  routingKey: shape === 'pagerduty' ? 'R0' : null,
});

describe('what a webhook is told', () => {
  test('is a message of Slack, in which no value means anything', () => {
    const body = JSON.stringify(webhookBody(of('slack'), EVENT));
    expect(body).not.toContain('<!channel>');
    expect(webhookBody(of('slack'), EVENT)).toMatchObject({
      text: 'Opened: flights.delay where origin = &lt;!channel&gt; &amp; more: coverage 0.0 %',
      blocks: [{ type: 'section', text: { type: 'mrkdwn' } }, { type: 'context' }],
    });
    expect(body).toContain('millrace monitor alert al_1');
    const long = webhookBody(of('slack'), { ...EVENT, text: 'x'.repeat(9_000) }) as { text: string };
    expect(long.text.length).toBeLessThan(3_000);
  });

  test('is an event of PagerDuty: one incident per alert, which its end resolves', () => {
    const opened = webhookBody(of('pagerduty'), EVENT);
    expect(opened).toMatchObject({
      routing_key: 'R0',
      event_action: 'trigger',
      dedup_key: 'millrace/default/al_1',
      payload: {
        summary: EVENT.text,
        source: 'flights.delay',
        severity: 'warning',
        timestamp: EVENT.at,
        class: 'coverage',
      },
    });
    expect(webhookBody(of('pagerduty'), CLOSED)).toEqual({
      routing_key: 'R0',
      event_action: 'resolve',
      dedup_key: 'millrace/default/al_1',
    });
    const long = webhookBody(of('pagerduty'), { ...EVENT, text: 'x'.repeat(9_000) });
    expect((long as { payload: { summary: string } }).payload.summary).toHaveLength(1_024);
  });

  test('is the event itself', () => {
    expect(webhookBody(of('json'), EVENT)).toEqual(EVENT);
  });

  test('is nothing of what is silenced, but that what it was told of has ended', () => {
    for (const shape of ['slack', 'pagerduty', 'json'] as const)
      expect(webhookBody(of(shape), { ...EVENT, silenced: SILENCED })).toBeNull();
    expect(webhookBody(of('slack'), { ...CLOSED, silenced: SILENCED })).toBeNull();
    expect(webhookBody(of('pagerduty'), { ...CLOSED, silenced: SILENCED })).toMatchObject({ event_action: 'resolve' });
  });
});

describe('MILLRACE_ALERT_WEBHOOKS', () => {
  test('names webhooks by shape and address', () => {
    expect(
      readAlertWebhooks(
        'team=slack+https://hooks.slack.com/services/a/b, oncall=pagerduty+https://R0@events.pagerduty.com/v2/enqueue',
      ),
    ).toEqual([
      { name: 'team', shape: 'slack', url: 'https://hooks.slack.com/services/a/b', routingKey: null },
      { name: 'oncall', shape: 'pagerduty', url: 'https://events.pagerduty.com/v2/enqueue', routingKey: 'R0' },
    ]);
  });

  test.each([
    'https://hooks.slack.com/x',
    'team=teams+https://x.org/',
    'team=slack+ftp://x.org/',
    'Team=slack+https://x.org/',
    'a=slack+https://x.org/,a=json+https://x.org/',
    'oncall=pagerduty+https://events.pagerduty.com/v2/enqueue',
    'own=json+https://user:secret@x.org/',
    'own=json+https://',
  ])('refuses %s, without showing it', (text) => {
    expect(readAlertWebhooks(text)).toBeNull();
    expect(() => readEnvironment({ MILLRACE_ALERT_WEBHOOKS: text })).toThrow(/MILLRACE_ALERT_WEBHOOKS/);
    try {
      readEnvironment({ MILLRACE_ALERT_WEBHOOKS: text });
    } catch (error) {
      expect(JSON.stringify([(error as Error).message, error])).not.toContain(text);
    }
  });
});
