/** Definitions whose code reaches into packages: modules and CommonJS, small and large, classes, tables and regular expressions. */
import Table from 'cli-table3';
import { hash } from 'fast-check';
import { base64url } from 'jose';
import { entity, featureView, source } from 'millrace';
import { z } from 'zod';
import { LEVELS, levelOf } from './levels.ts';

const device = entity('device', { device: z.string() });
const readings = source('readings', {
  schema: z.object({
    id: z.string(),
    device: z.string(),
    at: z.iso.datetime(),
    level: z.enum(LEVELS),
    value: z.number().nullable(),
    lasted: z.string().optional(),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'readings',
});

class Scale {
  readonly #steps: readonly number[];
  static readonly tenths = new Scale([0.1, 0.2, 0.5]);
  constructor(steps: readonly number[]) {
    this.#steps = steps;
  }
  of(value: number): number {
    return this.#steps.findLast((step) => value >= step) ?? 0;
  }
}

export const deviceLevels = featureView('device_levels', {
  entity: device,
  source: readings,
  where: ({ level, value }) => levelOf(level) > 0 && value !== null,
  features: (f) => ({
    readings: f.count().over('7d'),
    hashed: f.last(({ device: name }) => hash(name) % 97),
    coded: f.last(({ device: name }) => base64url.encode(name), { type: z.string() }),
    step: f.avg(({ value }) => Scale.tenths.of(value ?? 0)).over('1d'),
  }),
});

export const deviceTables = featureView('device_tables', {
  entity: device,
  source: readings,
  features: (f) => ({
    seconds: f.sum(({ lasted }) => (lasted === null ? null : lasted.length)).over('30d'),
    wide: f.max(({ device: name, level }) => new Table({ head: [name, `level ${level}`] }).length).over('1d'),
    name: f.last('device'),
  }),
});

export const deviceWords = featureView('device_words', {
  entity: device,
  source: readings,
  features: (f) => ({
    words: f.max(({ device: name }) => (name.match(/\p{L}+/gu) ?? []).length).over('7d'),
    sorted: f.last(({ device: name, level }) => [name, level].sort((a, b) => a.localeCompare(b, 'de')).join('/'), {
      type: z.string(),
    }),
  }),
});
