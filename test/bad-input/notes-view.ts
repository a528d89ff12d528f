import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';

/** A view made the way users make one: notes of persons, with a row function that fails on the note `"throw"`. */
export async function notesView(topic: string): Promise<CompiledView> {
  const person = entity('person', { person: z.string() });
  const notes = source('notes', {
    schema: z.object({
      id: z.string(),
      at: z.iso.datetime(),
      person: z.string().nullable(),
      amount: z.int().min(0),
      note: z.string().nullable(),
    }),
    eventTime: 'at',
    eventId: 'id',
    topic,
    invalidLimit: { rate: 1, window: 1000 },
  });
  const view = featureView('notes_of_person', {
    entity: person,
    source: notes,
    where: (e) => e.note !== 'drop',
    features: (f) => ({
      n: f.count(),
      total_1d: f.sum('amount').over('1d'),
      last_note: f.last('note'),
      // Every row the contract allows is fine, but for one: as a bug in production is.
      checked: f.sum((e) => (e.note === 'throw' ? (undefined as never) : e.amount)),
    }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([person, notes, view], process.cwd()));
  return definitions.views.get('notes_of_person')!;
}
