import { type KnownAlert, readAlerts } from '../../engine/alerts/alert-store.ts';
import type { MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';
import type { ConsoleLook } from '../console-look.ts';
import { pathTo } from '../markup/parts.ts';
import { ifThere } from './if-there.ts';

/** So many are read, the open ones first. */
export const MOST_ALERTS = 500;

/** The alerts whose root the caller may see: open ones first, then the newest. */
export async function shownAlerts(look: ConsoleLook, state?: 'open'): Promise<readonly KnownAlert[]> {
  const all = await ifThere(readAlerts(look.deps.pool, { state, limit: MOST_ALERTS }));
  return all.filter(({ root }) => maySee(look, root));
}

/** Whether the caller may see what is looked at. */
export function maySee({ views, sources, caller }: ConsoleLook, { place, object }: MonitorSubject): boolean {
  if (place === 'source') return sources.includes(object) || caller.readsAll;
  return place === 'store' || place === 'view' ? views.has(object) || caller.readsAll : caller.mayReadService(object);
}

/** Where what is looked at has its page; null: nowhere. */
export function subjectPath(look: ConsoleLook, { place, object, field }: MonitorSubject): string | null {
  if (place === 'source') return look.sources.includes(object) ? pathTo('sources', object) : null;
  if (place === 'served')
    return look.services.some(({ service }) => service === object) ? pathTo('services', object) : null;
  const features = look.views.get(object)?.layout.features;
  if (features === undefined) return null;
  const isFeature = field !== null && features.some(({ name }) => name === field);
  return isFeature ? pathTo('views', object, 'features', field) : pathTo('views', object);
}
