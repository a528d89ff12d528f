import type { DerivedPlan } from '../derived/derive-step.ts';
import { createDerive } from '../derived/derive.ts';
import { createServiceDerive } from '../derived/derive-service.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { CompiledService, Row } from './compiled-view.ts';
import { sampledReads } from './derived-samples.ts';
import { seenOfAll, seenValues } from './seen-values.ts';
import { watched } from './watched.ts';

/** Of a service, per feature that it derives: what that was seen to read. */
export interface ObservedReads {
  /** Features of its views (or roles), and what it derives itself (`block`: its own name). */
  readonly features: readonly { readonly block: string; readonly feature: string }[];
  /** Fields of requests. */
  readonly request: readonly string[];
}

/**
 * What each feature that a service derives was seen to read of its views, of requests and of itself, of sampled reads.
 *
 * @example
 * observedReads(services.get('delay_model')!).get('risk')?.features; // [{ block: 'route_delays', feature: 'late_share_7d' }]
 */
export function observedReads(service: CompiledService): ReadonlyMap<string, ObservedReads> {
  const { name: own, blocks, request = [], derived = [] } = service;
  const seen = new Map(
    derived.map(({ name }) => [
      name,
      { features: new Map<string, { block: string; feature: string }>(), request: new Set<string>() },
    ]),
  );
  const plans = derived.map((plan): DerivedPlan => {
    const compute = plan.compute as (values: object, context: object) => unknown;
    const noted = seen.get(plan.name)!;
    const watchBlocks = (values: object): object =>
      Object.fromEntries(
        Object.entries(values).map(([block, features]) => [
          block,
          watched(features as object, (feature) => noted.features.set(`${block} ${feature}`, { block, feature })),
        ]),
      );
    const watchRequest = (context: { readonly request?: object }): object => ({
      ...context,
      request: watched(context.request ?? {}, (field) => noted.request.add(field)),
    });
    return {
      ...plan,
      compute: (values: object, context: object) => compute(watchBlocks(values), watchRequest(context)),
    };
  });
  const reads = blocks.map(({ view }) => {
    const derive = createDerive(seenValues(view.layout), view.derived ?? []);
    return sampledReads(view).map(({ cells, atUs }) => {
      const all = [...cells];
      derive(all, atUs);
      return all;
    });
  });
  const requests: readonly Row[] = request.length === 0 ? [{}] : sampleRows(request).rows;
  const values = blocks.map(({ name, view }) => ({ name, values: seenOfAll(view.layout) }));
  const derive = createServiceDerive(own, values, plans);
  const count = derived.length === 0 ? 0 : Math.max(requests.length, ...reads.map(({ length }) => length));
  for (let at = 0; at < count; at++)
    derive(
      reads.map((ofBlock) => ofBlock[at % ofBlock.length]!),
      requests[at % requests.length]!,
      1_700_000_000_123_456 + at,
    );
  return new Map(
    [...seen].map(([name, { features, request: asked }]) => [
      name,
      { features: [...features.values()], request: [...asked] },
    ]),
  );
}
