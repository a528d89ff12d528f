import { z } from 'zod';
import { DecisionLog, type DecisionLogOptions, type SaidDrop } from '../../engine/decisions/decision-log.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { outcomes } from '../../engine/define/outcomes.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { ScriptedWriter } from '../served/scripted-writer.ts';
import { testClock } from '../stream/stream-fixture.ts';

export const offers = decisions('offers', {
  context: z.object({ shop: z.string(), total: z.int64().optional(), seen_at: z.iso.datetime().nullable() }),
});
export const clicks = outcomes('clicks', { value: z.boolean() });
export const departures = outcomes('departures', {
  value: z.int(),
  entity: z.object({ flight: z.string(), day: z.iso.date() }),
  topic: 'departures',
});

/** A log over a writer that does as it is told, with what was written and what was dropped. */
export function openedLog(more: Partial<DecisionLogOptions> = {}) {
  const writer = new ScriptedWriter();
  const drops: SaidDrop[] = [];
  let ids = 0;
  const log = new DecisionLog({
    writer,
    installation: installationNames(),
    clock: testClock,
    logId: 'log',
    newId: () => `id-${ids++}`,
    flushMs: 1,
    onDrop: (drop) => drops.push(drop),
    ...more,
  });
  const records = (): Record<string, unknown>[] =>
    writer.written.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>);
  return { log, writer, drops, records };
}

/** The least that is said of a decision. */
export const offer = { action: 'ten-percent', context: { shop: 'north', seen_at: null } };
