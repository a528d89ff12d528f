import type { TrainStatus } from '../../workflows/train-model/contract.ts';
import { count, type Output } from '../output.ts';

/** Says where a training is, or what it came to. */
export function printTraining(output: Output, status: TrainStatus): void {
  output.end();
  if (output.isJson) return output.json(status);
  const { model, phase, set, command, judgement, published, evaluated, rollout, error, accepts, from, to } = status;
  const facts: [string, string][] = [['phase', phase]];
  if (from !== null) facts.push(['rows of', `${from} to ${to ?? ''}`]);
  if (set !== null) {
    facts.push([
      'training set',
      `${count(set.rows)} rows, ${count(set.features)} features, sha256 ${set.sha256.slice(0, 12)}`,
    ]);
    if (set.split !== null)
      facts.push(['to test with', `${count(set.split.testRows)} of them, from ${set.split.at} on`]);
    if (set.immature !== null) facts.push(['labels not final yet', count(set.immature)]);
  }
  if (command !== null)
    facts.push([
      'command',
      `${command.seconds.toFixed(1)} s, ${count(command.lines)} lines, a model of ${count(command.modelBytes)} bytes`,
    ]);
  for (const [name, value] of Object.entries(judgement?.metrics ?? {})) facts.push([name, String(value)]);
  if (judgement?.isMet != null) facts.push([judgement.isMet ? 'minimum met' : 'minimum not met', judgement.why]);
  if (published !== null) {
    const { version, alias, isNew } = published;
    facts.push(['version', `${version}${alias === 'none' ? '' : `, ${alias}`}${isNew ? '' : ' (published before)'}`]);
  }
  if (evaluated !== null) {
    facts.push(['evaluated on', `${count(evaluated.rows)} decisions`]);
    for (const name of ['logLoss', 'logLossBase', 'auc', 'calibrationError', 'squaredError', 'squaredErrorBase'])
      if (evaluated.metrics[name] !== undefined) facts.push([`evaluated ${name}`, String(evaluated.metrics[name])]);
    if (evaluated.isMet !== null) facts.push([evaluated.isMet ? 'minimum met' : 'minimum not met', evaluated.why]);
  }
  if (rollout !== null) facts.push(['rollout', rollout]);
  if (error !== null) facts.push([`error ${error.code}`, error.message], ['way out', error.remedy]);
  facts.push(['kept in the archive', status.run]);
  output.table([model, ''], facts);
  if (published?.unannounced != null)
    output.note(`not announced (${published.unannounced}): applications find it within 15 s`);
  if (accepts.length > 0) output.note(`it waits: millrace train approve ${model}, or millrace train reject ${model}`);
}
