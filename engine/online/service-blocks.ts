import type { FeatureService } from '../define/feature-service.ts';
import type { FeatureView } from '../define/feature-view.ts';
import { keyColumns } from '../define/view-role.ts';
import { knownDefinition } from './known-definition.ts';

/** What a service answers under one name. */
interface AskedBlock {
  readonly name: string;
  /** Null: the view itself. */
  readonly role: string | null;
  /** The names its join keys go by, in layout order. */
  readonly columns: readonly string[];
}

/** A service as it is read: one query per view, whatever its roles. */
export interface AskedService {
  /** The names of its blocks. */
  readonly order: readonly string[];
  readonly views: readonly { readonly view: FeatureView; readonly blocks: readonly AskedBlock[] }[];
}

const known = new WeakMap<FeatureService, AskedService>();

/** What a service's definition asks for, worked out once. Throws MillraceError `invalid-definitions`. */
export function serviceBlocks(service: FeatureService): AskedService {
  const found = known.get(service);
  if (found !== undefined) return found;
  const views = new Map<FeatureView, AskedBlock[]>();
  for (const member of service.views) {
    const isRole = member.kind === 'view-role';
    const view = isRole ? member.view : member;
    const columns = keyColumns(knownDefinition(view).layout.keys, isRole ? member.columns : {});
    const blocks = views.get(view) ?? [];
    views.set(view, [...blocks, { name: member.name, role: isRole ? member.name : null, columns }]);
  }
  const asked = {
    order: service.views.map(({ name }) => name),
    views: [...views].map(([view, blocks]) => ({ view, blocks })),
  };
  known.set(service, asked);
  return asked;
}
