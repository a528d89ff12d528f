import type { FieldPlan } from '../contract/field-plan.ts';
import { createServiceDerive } from '../derived/derive-service.ts';
import { createDerive } from '../derived/derive.ts';
import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { Cell } from '../values/cell.ts';
import type { CompiledView } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import { type DerivedResults, sampledReads, textOf } from './derived-samples.ts';
import { tellImpurities } from './probe-derived.ts';
import { seenOfAll, seenValues } from './seen-values.ts';

/** A service as far as its derived features go. */
export interface ProbedService {
  readonly name: string;
  readonly blocks: readonly { readonly name: string; readonly view: Pick<CompiledView, 'layout' | 'derived'> }[];
  readonly request: readonly FieldPlan[];
  readonly derived: readonly DerivedPlan[];
}

/** Computes the derived features of a service of sampled reads and requests, twice, under traps, and reports what `probeDerived` does. */
export function probeService(service: ProbedService, report: ReportFault): void {
  if (service.derived.length === 0) return;
  const results = sampler(service);
  tellImpurities(
    service.derived.map(({ name }) => name),
    results,
    report,
  );
}

/** What a service derives of sampled reads and requests. */
export function sampledService(service: ProbedService): DerivedResults {
  return sampler(service)(false);
}

/** What computes the samples, in either direction. */
function sampler({ name, blocks, request, derived }: ProbedService): (isBackwards: boolean) => DerivedResults {
  const reads = blocks.map(({ view }) => {
    const derive = createDerive(seenValues(view.layout), view.derived ?? []);
    return sampledReads(view).map(({ cells, atUs }): readonly Cell[] => {
      const all = [...cells];
      derive(all, atUs);
      return all;
    });
  });
  const requests = request.length === 0 ? [{}] : sampleRows(request).rows;
  const count = Math.max(requests.length, ...reads.map(({ length }) => length));
  const derive = createServiceDerive(
    name,
    blocks.map((block) => ({ name: block.name, values: seenOfAll(block.view.layout) })),
    derived,
  );
  return (isBackwards) => {
    const texts = new Map(derived.map((plan) => [plan.name, Array.from({ length: count }, () => '')]));
    const failures: (DerivedFailure & { readonly read: number })[] = [];
    for (let at = 0; at < count; at++) {
      const read = isBackwards ? count - 1 - at : at;
      const cells = derive(
        reads.map((ofBlock) => ofBlock[read % ofBlock.length]!),
        requests[read % requests.length]!,
        1_700_000_000_123_456 + read,
        (failure) => failures.push({ ...failure, read }),
      );
      derived.forEach((plan, index) => {
        texts.get(plan.name)![read] = textOf(cells[index]!);
      });
    }
    return { texts, failures };
  };
}
