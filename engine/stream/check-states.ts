import { MillraceError } from '../errors/millrace-error.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { bindKeys, lateralState, unnestKeys } from '../postgres/state-table.ts';
import { postgresTypes } from '../postgres/type-parsers.ts';
import type { ChangedState } from './micro-batch.ts';

/**
 * Where several runs share the partitions of a topic, an entity may have records in the partitions of two of them, and the state in our memory
 * may be older than the stored one. Throws `state-conflict` (retryable) then: the run forgets its states and does the batch again.
 * To be called while the version's row is locked (`takeSeq`): that is what keeps the others from writing in between.
 */
export async function checkStatesUnchanged(
  client: Queryable,
  table: string,
  layout: ViewLayout,
  states: readonly ChangedState[],
): Promise<void> {
  if (states.length === 0) return;
  const { rows } = await client.query<[number, number | null, string | null]>({
    text: `SELECT wanted.ord, found.seq, found.commit_id FROM ${unnestKeys(layout, 1)} ${lateralState(layout, table)}`,
    values: bindKeys(
      layout,
      states.map(({ entry }) => entry.key),
    ),
    rowMode: 'array',
    types: postgresTypes,
  });
  const other = rows.find(([ord, seq, commitId]) => {
    const { entry } = states[ord - 1]!;
    return seq !== entry.seq || commitId !== entry.commitId;
  });
  if (other === undefined) return;
  throw new MillraceError(
    'state-conflict',
    `${layout.view}: another run changed the state of one of its entities meanwhile`,
    {
      remedy:
        'Nothing is to be done: the micro-batch is done again. Where it happens often, key the topic by the entity.',
      retryable: true,
      httpStatus: 409,
    },
  );
}
