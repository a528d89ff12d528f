import type { FeatureView } from '../engine/define/feature-view.ts';
import { internalBug } from '../engine/errors/millrace-error.ts';
import type { Audits } from './audits.ts';
import { FAULTS } from './faults/all-faults.ts';
import type { FaultSite, PlantedFault } from './faults/fault-site.ts';
import { judgeFault } from './faults/judge-fault.ts';
import { createDecisionLog } from '../engine/decisions/create-decision-log.ts';
import { LoopTeller, StandingClock } from './loop/loop-teller.ts';
import { plantPairFaults } from './loop/pair-faults.ts';
import type { Said, SaidResponse, SaidSuggestion } from './loop/said.ts';
import { SuggestionMaker } from './loop/suggestion-maker.ts';
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

/** Plants the faults one after the other, each in a view of its own, and has an audit look for each as soon as it is there. */
export async function faultPhase(
  world: World,
  audits: Audits,
  shapes: readonly ReadShape[],
  { random, signal, onNote, said }: { random: Random; signal: AbortSignal; onNote: (line: string) => void; said: Said },
): Promise<FaultFigures> {
  const { pool, reader, temporal, definitions, changed, serving, services } = world;
  const views = new Map<string, FeatureView>(shapes.map(({ view }) => [view.name, view]));
  const talk = { decisions: [...said.decisions], outcomes: [...said.outcomes] };
  const say = sayingTo(services.brokers, new SuggestionMaker(random.fork('suggestions'), 'f'), talk);
  const site: FaultSite = {
    say,
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
  // An audit of one view and the planting in the next have nothing to do with each other.
  const judging: Promise<{ readonly judged: JudgedFault; readonly strayCells: number }>[] = [];
  for (const plant of FAULTS) {
    const fault = await plant(site);
    onNote(`planted ${fault.fault} in ${fault.view}`);
    await serving.logged(signal);
    const judged = judge(fault, audits, onNote);
    // Heard below, where all are waited for.
    judged.catch(() => undefined);
    judging.push(judged);
  }
  const ofPairs = await plantPairFaults(world, { say, said: () => talk, random: random.fork('pairs'), signal });
  for (const { view, fault, isNamed, cause, reasons } of ofPairs)
    onNote(isNamed ? `${view}: ${fault} is named ${cause}` : `${view}: ${fault} is NOT named: ${reasons.join('; ')}`);
  const verdicts = await Promise.all(judging);
  return {
    faults: [...verdicts.map(({ judged }) => judged), ...ofPairs],
    strayCells: verdicts.reduce((sum, verdict) => sum + verdict.strayCells, 0),
  };
}

/** Says plain decisions, each with its outcome, through a log of its own, and writes down what it said. */
function sayingTo(
  brokers: readonly string[],
  maker: SuggestionMaker,
  talk: { readonly decisions: SaidSuggestion[]; readonly outcomes: SaidResponse[] },
): FaultSite['say'] {
  return async (many) => {
    const clock = new StandingClock();
    const log = createDecisionLog({ kafka: { brokers }, clock });
    const teller = new LoopTeller(log, clock);
    const decisions: SaidSuggestion[] = [];
    const outcomes: SaidResponse[] = [];
    for (let n = 0; n < many; n++) {
      const { decision, responses } = maker.plain(Date.now() * 1_000);
      decisions.push(teller.decide(decision, { error: null }));
      for (const response of responses) outcomes.push(teller.outcome(response));
    }
    await log.close();
    const { sources } = log.figures;
    const sent = Object.values(sources).reduce((sum, of) => sum + of.sent, 0);
    if (sent !== decisions.length + outcomes.length)
      throw internalBug(`${sent} of ${2 * many} records were acknowledged`);
    talk.decisions.push(...decisions);
    talk.outcomes.push(...outcomes);
    return { decisions, outcomes };
  };
}

async function judge(
  fault: PlantedFault,
  audits: Audits,
  onNote: (line: string) => void,
): Promise<{ readonly judged: JudgedFault; readonly strayCells: number }> {
  const { isNamed, reasons, strayCells } = judgeFault(fault, await audits.all(fault.view));
  onNote(
    isNamed
      ? `${fault.view}: the audit names it ${fault.cause}`
      : `${fault.view}: the audit does NOT name it: ${reasons.join('; ')}`,
  );
  const { fault: name, view, cause } = fault;
  return { judged: { fault: name, view, cause, isNamed, reasons }, strayCells };
}
