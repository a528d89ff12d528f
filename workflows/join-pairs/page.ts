import type { PairsFigures } from '../../engine/pairs/pairs-status.ts';
import { failedText, grouped, iso, tableText, waitingText } from '../page-text.ts';
import { PAIRS_COMMAND_DESCRIPTIONS, type PairsPhase } from './contract.ts';
import { type PairsState, pairsStatusOf } from './state.ts';

const MEANING: Readonly<Record<PairsPhase, string>> = {
  starting: 'The label set is being looked up.',
  joining: 'Decisions and outcomes are being joined. The pending activity shows how it goes right now.',
  waiting: 'Joining waits for what is named below, for as long as it takes, and goes on by itself.',
  pausing: 'Stopping: once paused, nothing can be joined any more, whatever became of the worker.',
  paused: 'Nothing is joined. It goes on at the very records where it stopped.',
  failed: 'A person is needed: see the error and its remedy below.',
  stopping: 'Stopping for good.',
  stopped: 'Ended. What is held stays, and a new start goes on where this one stopped.',
};

/** The page of a joiner in the Temporal UI ("current details"), in Markdown. */
export function renderPairsPage(state: PairsState): string {
  const status = pairsStatusOf(state);
  const { plan } = state;
  const lines = [`### pairs of ${state.labelSet}: ${status.phase}`, '', MEANING[status.phase], ''];
  if (plan !== null) {
    lines.push(`- Decisions: topic **${plan.decisionsTopic}**, outcomes: topic **${plan.outcomesTopic}**`);
    lines.push(`- Pairs: topic **${plan.topic}**`);
  }
  lines.push(
    `- Read by this workflow: **${grouped(status.records)}** records, made **${grouped(status.pairs)}** pairs`,
  );
  if (status.figures !== null)
    lines.push('', '**As of the end of the last slice**:', '', ...figuresText(status.figures));
  if (status.waitingFor !== null) lines.push('', ...waitingText(status.waitingFor));
  if (status.error !== null) lines.push('', ...failedText(status.error));
  if (status.accepts.length > 0) lines.push('', '**What can be sent now**, as an Update:', '');
  for (const command of status.accepts) lines.push(`- \`${command}\`: ${PAIRS_COMMAND_DESCRIPTIONS[command]}`);
  lines.push(
    '',
    '**So far**, newest first:',
    '',
    ...state.passed.toReversed().map(({ phase, atMs }) => `- ${iso(atMs)} ${phase}`),
  );
  return lines.join('\n');
}

function figuresText({ pairs, tooLarge, outbox, ...sides }: PairsFigures): string[] {
  const { held, unpaired, late, invalid, nullKey, lag } = sides;
  return [
    `${grouped(pairs)} pairs so far, ${grouped(outbox)} of them wait to be sent, and ${grouped(tooLarge)} more were too large.`,
    '',
    ...tableText(
      ['', 'behind', 'held', 'given up unpaired', 'too late', 'invalid', 'without a key'],
      (['decisions', 'outcomes'] as const).map((side) => [
        side,
        ...[lag, held, unpaired, late, invalid, nullKey].map((each) => grouped(each[side])),
      ]),
    ),
  ];
}
