import type { Environment } from '../config/environment.ts';
import { StoredServiceCode } from '../engine/bundles/service-code.ts';
import type { Definitions } from '../engine/define/compiled-view.ts';
import { versions } from '../engine/postgres/view-versions.ts';
import { serviceVersions } from '../engine/postgres/service-versions.ts';
import { diffService } from '../engine/versions/diff-service.ts';
import { serviceSides } from '../engine/versions/service-sides.ts';
import type { ServiceDiff } from '../engine/versions/service-diff-types.ts';
import type { DiffContext } from './diff-context.ts';
import { count, type Output } from './output.ts';
import { neededServices } from './services.ts';

/** Which requests two versions of a service are compared over. */
export interface AskedServiceDiff {
  readonly versions?: readonly [before: number, after: number] | undefined;
  readonly requests?: number | undefined;
  readonly sinceUs?: number | undefined;
  readonly untilUs?: number | undefined;
}

/** Whether it is a service that is called so, and no view. */
export async function isService({ pool }: DiffContext, name: string, definitions: Definitions): Promise<boolean> {
  if (definitions.views.has(name) || (await versions(pool, name)).length > 0) return false;
  return definitions.services.has(name) || (await serviceVersions(pool, name)).length > 0;
}

/**
 * Compares what two versions of a service derive of what was logged.
 *
 * @throws MillraceError as `serviceSides` and `diffService` do; `not-connected` where there is no Kafka
 */
export async function serviceDiff(
  { pool, reader, clock, memory }: DiffContext,
  {
    env,
    definitions,
    output,
  }: { readonly env: Environment; readonly definitions: Definitions; readonly output: Output },
  service: string,
  { versions: named, ...asked }: AskedServiceDiff,
): Promise<ServiceDiff> {
  const { services } = definitions;
  const code = new StoredServiceCode({ pool, services, keys: env.bundleKeys });
  const sides = await serviceSides({ pool, code, atHand: services.get(service) }, service, named);
  // Without Kafka there is no reader, and this says so.
  if (reader === null) await neededServices(env, ['kafka']);
  return await diffService({
    ...asked,
    ...sides,
    service,
    pool,
    memory,
    scan: {
      reader: reader!,
      topic: env.servedTopic,
      clock,
      onProgress: (done, total) =>
        output.progress(`reading the serving log: ${count(done)} of ${count(total)} records`),
    },
  });
}
