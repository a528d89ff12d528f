import { count, type Output } from '../cli/output.ts';
import type { SoakFigures } from './soak-figures.ts';

/** The tables for people: what was compared, what was planted, and the totals. */
export function printReport(figures: SoakFigures, output: Output): void {
  output.table(
    ['view', 'entities', 'reads', 'cells compared', 'differing', 'audit, s'],
    figures.views.map((view) => [
      view.view,
      count(view.entities),
      count(view.reads),
      count(view.cellsCompared),
      count(view.cellsDiffering),
      view.seconds.toFixed(1),
    ]),
  );
  output.table(
    ['planted', 'in', 'named'],
    figures.faults.map(({ fault, view, isNamed, cause, reasons }) => [
      fault,
      view,
      isNamed ? cause : `NO: ${reasons.join('; ')}`,
    ]),
  );
  const { worker, broker, database } = figures.restartsByKind;
  const refused = Object.entries(figures.readsRefused).map(([code, times]) => `${code} ${count(times)}`);
  output.table(
    ['what', 'figure'],
    [
      ['records sent', count(figures.flightsSent + figures.paymentsSent)],
      [
        'decisions and outcomes said, dropped, lost',
        [figures.decisionsSaid, figures.outcomesSaid, figures.saidDropped, figures.saidLost].map(count).join(', '),
      ],
      [
        'pairs on their topic, wrong, twice',
        [figures.pairs, figures.pairsWrong, figures.pairsTwice].map(count).join(', '),
      ],
      ['labels exported, wrong', [figures.labelRows, figures.labelsWrong].map(count).join(', ')],
      ['of them deleted from the topics, once archived', count(figures.recordsDeletedFromTopics)],
      [
        'reads made, logged, dropped',
        [figures.readsMade, figures.readsLogged, figures.readsDropped].map(count).join(', '),
      ],
      ['requests refused in outages', refused.length === 0 ? 'none' : refused.join(', ')],
      ['restarts of worker, broker, database', `${worker}, ${broker}, ${database}`],
      ['audits', count(figures.audits)],
      ['cells compared', count(figures.cellsCompared)],
      ['cells differing', count(figures.cellsDiffering)],
      ['faults planted, named', `${figures.faultsPlanted}, ${figures.faultsNamed}`],
      ['seconds', count(figures.seconds)],
      ['seed', String(figures.seed)],
    ],
  );
}
