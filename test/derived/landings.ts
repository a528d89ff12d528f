import { entity, source } from 'millrace';
import { z } from 'zod';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import type { ParityWorld } from '../parity/parity-world.ts';

const HOUR_US = 3_600_000_000;
export const NOW_US = Math.floor(Date.now() / 3_600_000) * HOUR_US;

export const landings = source('landings', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), airport: z.string(), weight: z.int64() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'landings',
});
export const airport = entity('airport', { airport: z.string() });

/** Two landings at LAS, one at PHL, and at BIG two whose weights together are no int64, an hour ago: backfilled. */
export async function land(world: ParityWorld): Promise<void> {
  const landed = { LAS: [100n, 200n], PHL: [50n], BIG: [2n ** 62n, 2n ** 62n] };
  const all = Object.entries(landed).flatMap(([place, weights]) => weights.map((weight) => ({ place, weight })));
  for (const [n, { place, weight }] of all.entries()) {
    const record = { id: `landing-${n}`, at: formatDateTime(NOW_US - HOUR_US), airport: place, weight: String(weight) };
    world.append(0, [{ value: Buffer.from(JSON.stringify(record)), timestampUs: NOW_US }]);
  }
  await world.backfill();
}
