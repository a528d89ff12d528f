import { failedText, grouped, iso, tableText, waitingText } from '../page-text.ts';
import { longestWait } from '../waits.ts';
import { TRAIN_COMMAND_DESCRIPTIONS, TRAIN_STEPS, type TrainPhase } from './contract.ts';
import { type TrainState, trainPhaseOf, trainStatusOf } from './state.ts';

const LINES_SHOWN = 15;
const METRICS_SHOWN = 20;

const MEANING: Readonly<Record<TrainPhase, string>> = {
  checking: 'The command, its folder and its environment are looked at.',
  exporting: 'The training set is being written. The pending activity shows how it goes.',
  training: "The command runs. The pending activity's heartbeat has its last lines.",
  judging: 'What the command said of the model is held to the minimum.',
  'awaiting-publish': 'The model is made, and waits for somebody to approve that it is published.',
  publishing: 'The model is being published.',
  evaluating: 'The published model is being evaluated.',
  'awaiting-rollout': 'The model is published, and waits for somebody to approve its rollout.',
  'opening-rollout': 'The rollout is being opened.',
  published: 'The model is published.',
  'rolled-out': 'The model is published, and its rollout runs.',
  'below-minimum': 'The model does not meet the minimum, and was not published.',
  rejected: 'Somebody said no.',
  failed: 'The training failed. Nothing of it is served. Start it again when the cause is gone.',
  cancelled: 'The training was cancelled. What it had published by then stays published.',
};

/** The page in the Temporal UI ("current details"), in Markdown. */
export function renderTraining(state: TrainState): string {
  const { asked, failure, seconds, passed } = state;
  const phase = trainPhaseOf(state);
  const waiting = longestWait(state.waiting);
  const { accepts } = trainStatusOf(state);
  return [
    `### Training of ${asked.model}: ${phase}`,
    '',
    MEANING[phase],
    '',
    ...(failure === null ? [] : [...failedText(failure), '']),
    ...(waiting === null ? [] : [...waitingText(waiting), '']),
    ...tableText(['what', ''], factsOf(state)),
    ...said(state),
    ...(Object.keys(seconds).length === 0
      ? []
      : [
          '',
          ...tableText(
            ['step', 'seconds'],
            TRAIN_STEPS.flatMap((step) => (seconds[step] === undefined ? [] : [[step, seconds[step].toFixed(1)]])),
          ),
        ]),
    ...(passed.length === 0
      ? []
      : ['', `Phases: ${passed.map(({ phase: before, atMs }) => `${before} (${iso(atMs)})`).join(' → ')}`]),
    ...(accepts.length === 0
      ? []
      : ['', ...accepts.map((command) => `- Update \`${command}\`: ${TRAIN_COMMAND_DESCRIPTIONS[command]}`)]),
  ].join('\n');
}

function factsOf(state: TrainState): [string, string | number][] {
  const { asked, set, command, judgement, published, evaluated, rollout } = state;
  const { rows } = asked;
  const of = rows.labels ?? rows.spine ?? rows.entities ?? rows.entitiesOf ?? '';
  const facts: [string, string | number][] = [
    ['service', asked.service],
    ['rows of', `${of}${rows.from === undefined ? '' : `, ${rows.from} to ${rows.to}`}`],
    [
      'command',
      `\`${typeof asked.command === 'string' ? asked.command : asked.command.join(' ')}\` in \`${asked.workdir}\``,
    ],
    ['asks before', asked.approve],
  ];
  if (set !== null) {
    facts.push([
      'training set',
      `${grouped(set.rows)} rows, ${grouped(set.sizeBytes)} bytes, sha256 ${set.sha256.slice(0, 12)}`,
    ]);
    if (set.split !== null)
      facts.push([
        'parts at',
        `${set.split.at}: ${grouped(set.split.trainRows)} to train on, ${grouped(set.split.testRows)} to test with`,
      ]);
    if (set.immature !== null) facts.push(['labels not final yet', grouped(set.immature)]);
  }
  if (command !== null)
    facts.push(
      ['model', `${grouped(command.modelBytes)} bytes`],
      ['code', `sha256 ${command.codeSha256.slice(0, 12)}`],
    );
  if (judgement !== null) {
    const metrics = Object.entries(judgement.metrics ?? {}).slice(0, METRICS_SHOWN);
    for (const [name, value] of metrics) facts.push([`metric ${name}`, String(value)]);
    if (judgement.isMet !== null) facts.push([judgement.isMet ? 'minimum met' : 'minimum not met', judgement.why]);
  }
  if (published !== null) {
    const { version, isNew, alias, unannounced } = published;
    const as = alias === 'none' ? '' : `, ${alias}`;
    facts.push(['version', `${version}${as}${isNew ? '' : ' (published before)'}`]);
    if (unannounced !== null) facts.push(['not announced', unannounced]);
  }
  if (evaluated !== null) {
    facts.push(['evaluated on', `${grouped(evaluated.rows)} decisions`]);
    for (const [name, value] of Object.entries(evaluated.metrics).slice(0, METRICS_SHOWN))
      facts.push([`evaluated ${name}`, String(value)]);
    if (evaluated.isMet !== null) facts.push([evaluated.isMet ? 'minimum met' : 'minimum not met', evaluated.why]);
  }
  if (rollout !== null) facts.push(['rollout', `workflow \`${rollout}\``]);
  facts.push(['kept in the archive', `\`${trainStatusOf(state).run}\``]);
  return facts;
}

function said({ command }: TrainState): string[] {
  if (command === null || command.tail.length === 0) return [];
  const lines = command.tail.slice(-LINES_SHOWN).map((line) => line.replaceAll('```', "'''"));
  return ['', `The last of ${grouped(command.lines)} lines:`, '', '```', ...lines, '```'];
}
