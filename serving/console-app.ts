import type { Hono } from 'hono';
import { consoleRoutes, type ConsoleRoutesDeps } from '../console/console-routes.ts';
import { listServices } from '../engine/define/list-definitions.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import type { ServedService } from './served-service.ts';

/** What the console has that the rest of the API has not. */
export type ApiConsole = Pick<ConsoleRoutesDeps, 'definitions' | 'workflows' | 'access' | 'log'>;

/**
 * The console over what the API answers from. Services are shown as the definitions at hand have them: a look-up for each would be as many statements a
 * page as there are services.
 */
export function consoleApp(
  api: Pick<ConsoleRoutesDeps, 'pool' | 'clock' | 'store' | 'onBug' | 'named'> & {
    readonly services: ReadonlyMap<string, ServedService>;
  },
  own: ApiConsole,
): Hono {
  const { pool, clock, store, onBug, named } = api;
  const services = async () => listServices(api.services);
  return consoleRoutes({ pool, clock, store, onBug, named, services, installation: installationOf(pool), ...own });
}
