import { z } from 'zod';
import { compileSource } from '../define/compile-source.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { SERVED_SOURCE } from '../define/names.ts';
import { source } from '../define/source.ts';
import { MillraceError } from '../errors/millrace-error.ts';

export { SERVED_SOURCE };

/** The contract of a record of the serving log: one read of one entity by one request. */
const servedSchema = z.object({
  /** Unique per read, however often its record was sent. */
  read_id: z.string().min(1),
  request_id: z.string().min(1),
  service: z.string().nullable(),
  view: z.string().min(1),
  /** The role of the view in the service it was read for; absent where there was none, and from older records. */
  role: z.string().min(1).nullable().optional(),
  version: z.int(),
  fingerprint: z.string(),
  /** JSON text: join key -> value, in layout order. */
  entity: z.string(),
  /** When it was served, by the server's clock. The event time: `as_of` may lie anywhere, a read at a future time is legal. */
  served_at: z.iso.datetime(),
  /** The request time the values are of. */
  as_of: z.iso.datetime(),
  found: z.boolean(),
  ahead: z.boolean(),
  seq: z.int().nullable(),
  /** The id of that commit; the backfill's where no state was found. Absent from older records. */
  commit_id: z.int64().nullable().optional(),
  /** JSON text: feature -> value, as HTTP has it; only the features that were asked for. */
  values: z.string(),
  /** JSON text: feature -> code of the error that stands in place of its value, `*`: of all of them; null where there is none. Absent from older records. */
  errors: z.string().nullable().optional(),
  /**
   * JSON text: field -> value, of what a service was asked with, `{}` where it asks for nothing. It tells the record of a service from those of its views:
   * `view` is the service's name then, `entity` all columns it was read by, `values` what it derived. Absent from records of views.
   */
  request: z.string().nullable().optional(),
  /** JSON text, beside `request`: `{"request": {field: type}, "derived": {feature: type}}`. */
  types: z.string().nullable().optional(),
});

/**
 * The serving log as a source: archived, listed and replayed like any other.
 *
 * @throws MillraceError `invalid-topic`.
 * @example
 * await runArchive({ source: servedSource('millrace.served'), ... });
 */
export function servedSource(topic: string): CompiledSource {
  const definition = source(SERVED_SOURCE, {
    schema: servedSchema,
    eventTime: 'served_at',
    eventId: 'read_id',
    topic,
  });
  const { source: compiled } = compileSource(definition, '/', (code, _path, message, remedy) => {
    throw new MillraceError(code, `the serving log: ${message}`, { remedy });
  });
  return compiled;
}
