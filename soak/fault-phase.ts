import type { FeatureView } from '../engine/define/feature-view.ts';
import { internalBug } from '../engine/errors/millrace-error.ts';
import type { Audits } from './audits.ts';
import { FAULTS } from './faults/all-faults.ts';
import type { FaultSite } from './faults/fault-site.ts';
import { judgeFault } from './faults/judge-fault.ts';
import { PaymentGenerator } from './payment-generator.ts';
import type { Random } from './random.ts';
import type { ReadShape } from './read-shapes.ts';
import type { JudgedFault } from './soak-figures.ts';
import type { World } from './soak-world.ts';
import { sendPayments } from './topics.ts';

export interface FaultFigures {
  readonly faults: readonly JudgedFault[];
  /** Cells that differ in these views beyond what the faults account for. */
  readonly strayCells: number;
}

/** Plants the faults one after the other, each in a view of its own, and has an audit look for each. */
export async function faultPhase(
  world: World,
  audits: Audits,
  shapes: readonly ReadShape[],
  { random, signal, onNote }: { random: Random; signal: AbortSignal; onNote: (line: string) => void },
): Promise<FaultFigures> {
  const { pool, reader, temporal, definitions, changed, serving, services } = world;
  const views = new Map<string, FeatureView>(shapes.map(({ view }) => [view.name, view]));
  const site: FaultSite = {
    pool,
    reader,
    temporal,
    definitions,
    changed,
    payments: new PaymentGenerator(random.fork('payments'), 'f'),
    random,
    signal,
    sendPayments: (payments) => sendPayments(services.brokers, payments),
    read: async (name, entity, atUs) => {
      const view = views.get(name);
      if (view === undefined) throw internalBug(`nobody reads view "${name}"`);
      await serving.client.getMany(view, [entity], atUs === undefined ? {} : { at: atUs });
    },
  };
  const faults: JudgedFault[] = [];
  let strayCells = 0;
  for (const plant of FAULTS) {
    const fault = await plant(site);
    onNote(`planted ${fault.fault} in ${fault.view}`);
    await serving.logged(signal);
    const audit = await audits.all(fault.view);
    const verdict = judgeFault(fault, audit);
    strayCells += verdict.strayCells;
    const { isNamed, reasons } = verdict;
    faults.push({ fault: fault.fault, view: fault.view, cause: fault.cause, isNamed, reasons });
    onNote(isNamed ? `the audit names it: ${fault.cause}` : `the audit does NOT name it: ${reasons.join('; ')}`);
  }
  return { faults, strayCells };
}
