import type { ParityReport } from '../audit-parity/contract.ts';
import {
  type CandidateStatus,
  type Command,
  COMMAND_DESCRIPTIONS,
  type Phase,
  type PreviousStatus,
  type PromotionProof,
} from './contract.ts';
import { failedText, grouped, iso, waitingText } from '../page-text.ts';
import type { LifecycleState } from './state.ts';
import { statusOf } from './status.ts';
import { meantBy } from './version-commands.ts';

const MEANING: Readonly<Record<Phase, string>> = {
  validating: 'The definition is being looked up.',
  backfilling: 'The whole log up to the cut is being read into a new table that readers cannot see yet.',
  waiting:
    'Readers are served what there is. Work waits for what is named below, for as long as it takes, and goes on by itself.',
  upgrading:
    'Readers are served what there is, and it stands still: the semantics of the engine have changed, and a version by the new ones is being built aside to take over from it.',
  published: 'Readers are served. The stream would start at the exact offset where the batch stopped: send `promote`.',
  refreshing: 'Readers are served while the view is brought up to the present end of its topic.',
  'catching-up': 'Readers are served while the stream works through what has gathered in the topic.',
  proving:
    'Readers are served, and the stream has caught up. What it holds is being compared, to the bit, with a backfill over the very same log.',
  streaming: 'Readers are served, and every record counts within moments of its arrival.',
  'invalid-input':
    'Readers are served, and more than half of the last records of a partition are invalid: the source is broken right now. `millrace dead-letters` shows them; beyond the limit the stream stops.',
  pausing: 'Stopping: once paused, no write can happen any more, whatever became of the worker.',
  paused: 'Nothing is written. Readers are served what there is.',
  built:
    'A new version is built, and what was to follow failed: see below. It is kept, and readers are served what they were, until it is published (`retry`) or another is wanted (`rebackfill`).',
  failed: 'A person is needed: see the error and its remedy below.',
  retiring: 'Stopping for good.',
  retired: 'Nothing is served any more.',
};

/** The page of a lifecycle in the Temporal UI ("current details"), in Markdown. */
export function renderLifecyclePage(state: LifecycleState): string {
  const status = statusOf(state);
  const lines = [`### ${state.view}: ${status.phase}`, '', MEANING[status.phase], ''];
  const fact = (name: string, value: string | number | null): void => {
    if (value !== null) lines.push(`- ${name}: **${typeof value === 'number' ? grouped(value) : value}**`);
  };
  if (state.live !== null) {
    fact('Served version', state.live.version);
    fact('Fingerprint', state.live.fingerprint.slice(0, 12));
    fact('Rows of the backfill', state.live.rows);
    fact('Entities of the backfill', state.live.entities);
    fact('Published', iso(state.live.publishedAtMs));
    if (status.upgrade !== null)
      fact('Semantics', `${status.upgrade.from ?? 'earlier ones'}, to be taken over by ${status.upgrade.to}`);
  } else fact('Served version', 'none yet');
  if (status.candidate != null) fact('Built, not served yet', candidateLine(status.candidate));
  if (status.previous != null) fact('Kept', previousLine(status.previous));
  if (state.build !== null && state.live !== null) {
    fact('Meanwhile', `a new version is ${state.build.stage}; version ${state.live.version} is served until the flip`);
  }
  if (state.stream !== null || status.lag !== null) {
    fact('Stream records read', status.records);
    fact(status.upgrade === null ? 'Lag when the last slice ended' : 'Lag', status.lag);
    fact('Watermark', status.watermarkUs === null ? null : iso(status.watermarkUs / 1000));
  }
  fact('Proof of the promotion', proofLine(status.proof));
  fact('Parity', parityLine(status.parity));
  fact('Next refresh', status.nextRefreshAtMs === null ? null : iso(status.nextRefreshAtMs));
  if (state.plan !== null) {
    fact('Source', `${state.plan.source}, ${state.plan.topic === null ? 'no topic' : `topic ${state.plan.topic}`}`);
    fact('Features', state.plan.features.join(', '));
  }
  if (status.notice !== null) lines.push('', status.notice);
  if (status.waitingFor != null) lines.push('', ...waitingText(status.waitingFor));
  if (status.candidate?.judged != null) lines.push('', status.candidate.judged);
  for (const failure of [
    state.failures.build,
    state.failures.stream,
    state.failures.proof,
    status.candidate?.error ?? null,
    status.previous?.error ?? null,
  ])
    if (failure !== null) lines.push('', ...failedText(failure));
  if (status.accepts.length > 0) lines.push('', '**What can be sent now**, as an Update:', '');
  for (const command of status.accepts)
    lines.push(`- \`${command}\`: ${outcomeOf(command, state) ?? COMMAND_DESCRIPTIONS[command]}`);
  lines.push(
    '',
    '**So far**, newest first:',
    '',
    ...state.passed.toReversed().map(({ phase, atMs }) => `- ${iso(atMs)} ${phase}`),
  );
  return lines.join('\n');
}

function candidateLine(candidate: CandidateStatus): string {
  const { version, rows, entities, madeFrom, waitsSinceMs, lag, isCaughtUp } = candidate;
  const made = madeFrom === undefined ? '' : `, made from the states of version ${madeFrom}`;
  const built = `version ${version}: ${grouped(entities)} entities of ${grouped(rows)} rows${made}`;
  if (waitsSinceMs === null) return built;
  const behind = isCaughtUp
    ? 'caught up'
    : lag === null
      ? 'on its way to the present'
      : `${grouped(lag)} records behind`;
  return `${built}; ${behind}; waits for \`approve\` since ${iso(waitsSinceMs)}`;
}

function previousLine({ version, keptUntilMs, lag, isRolledBack }: PreviousStatus): string {
  const behind = lag === null ? '' : `; ${grouped(lag)} records behind when its last slice ended`;
  return `version ${version}, until ${iso(keptUntilMs)}${behind}${isRolledBack ? '; readers were flipped back from it' : ''}`;
}

/** What a command about versions would do now; null of the others, which do what they always do. */
function outcomeOf(command: Command, state: LifecycleState): string | null {
  const { live, offered, previous } = state;
  const takes = (version: number): string => `\`{"version":${version}}\``;
  if (command === 'discard')
    return offered === null ? null : `${takes(offered.version)} drops version ${offered.version}.`;
  if (command !== 'approve' && command !== 'rollback') return null;
  const meant = meantBy(state, command, {});
  if (!('side' in meant)) return null;
  const goes =
    previous === null || previous.version === meant.side.version
      ? ''
      : ` Version ${previous.version}, which is kept now, goes at once.`;
  return `${takes(meant.side.version)} flips readers ${command === 'rollback' ? 'back ' : ''}from version ${live?.version} to version ${meant.side.version}, in one transaction; version ${live?.version} is kept in its turn.${goes}`;
}

function proofLine(proof: PromotionProof | null): string | null {
  if (proof === null) return null;
  const { verdict, cellsCompared, cellsDiffering, entities, seq, auditId, reason } = proof;
  if (verdict === 'unproven') return `not possible: ${reason}`;
  if (verdict === 'nothing-compared') return 'there was nothing to compare';
  return `${grouped(cellsCompared)} cells of ${grouped(entities)} entities compared at seq ${grouped(seq ?? 0)}, ${grouped(cellsDiffering)} differ (audit ${auditId})`;
}

function parityLine(parity: ParityReport | null): string | null {
  if (parity === null) return null;
  const { verdict, cellsCompared, cellsDiffering, causes, lostReads = 0, auditId, atMs } = parity;
  const lost = lostReads === 0 ? '' : `; ${grouped(lostReads)} logged reads are of commits that were lost`;
  const why = Object.entries(causes).map(([cause, count]) => `${count} ${cause}`);
  return `${verdict}: ${grouped(cellsCompared)} cells compared, ${grouped(cellsDiffering)} differ${why.length === 0 ? '' : ` (${why.join(', ')})`}${lost}; audit ${auditId}, ${iso(atMs)}`;
}
