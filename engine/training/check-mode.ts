import { MillraceError } from '../errors/millrace-error.ts';
import type { TrainingOptions } from './training-types.ts';

/** Refuses a mode that there is not: of rows that are decisions there is one more. Throws `unknown-mode`. */
export function checkMode({ mode, labels, repeatOf }: Pick<TrainingOptions, 'mode' | 'labels' | 'repeatOf'>): void {
  const modes: readonly string[] = ['event-time', 'as-served', ...((labels ?? repeatOf?.labels) ? ['decided'] : [])];
  if (modes.includes(mode)) return;
  throw new MillraceError(
    'unknown-mode',
    `training set mode ${JSON.stringify(mode)}; expected ${modes.map((one) => `"${one}"`).join(' or ')}`,
    { remedy: 'Use one of these modes.' },
  );
}
