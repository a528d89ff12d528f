import { nameFault } from '../define/names.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { MODEL_ALIASES, type ModelAlias } from '../postgres/model-versions.ts';

/** Whether a value is the name of a model: as views have them. */
export function isName(value: unknown): value is string {
  return nameFault(value) === null;
}

/** Gives the name of a model. Throws MillraceError `invalid-name`. */
export function modelName(value: unknown): string {
  const fault = nameFault(value);
  if (fault === null) return value as string;
  throw new MillraceError('invalid-name', `the name of a model: ${fault}`, { remedy: 'Give one like late_flights.' });
}

/** Gives an alias. Throws MillraceError `invalid-name`. */
export function modelAlias(value: string): ModelAlias {
  const alias = MODEL_ALIASES.find((known) => known === value);
  if (alias !== undefined) return alias;
  throw new MillraceError(
    'invalid-name',
    `"${value}" is no alias of models; expected one of ${MODEL_ALIASES.join(', ')}`,
    {
      remedy: 'Name one of them.',
    },
  );
}
