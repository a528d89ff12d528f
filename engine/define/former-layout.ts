import type { ViewLayout } from './view-layout.ts';

/** The semantics before these. */
const FORMER_SEMANTICS = 1;

/**
 * The layout that the release of semantics 1 gave the same definition: its fields in its order, and ids of whole numbers compared as
 * texts. It goes with the last release that reads states of semantics 1.
 */
export function formerLayout(layout: ViewLayout): ViewLayout {
  return {
    semantics: FORMER_SEMANTICS,
    view: layout.view,
    entity: layout.entity,
    keys: layout.keys,
    tieBreak: layout.tieBreak === 'offset' ? 'offset' : 'id',
    groups: layout.groups,
    slots: layout.slots,
    features: layout.features,
    ...(layout.expireUs === undefined ? {} : { expireUs: layout.expireUs }),
  };
}
