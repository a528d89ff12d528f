import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { timeOf } from '../entity-arguments.ts';

/** What `--from` and `--to` say, UTC epoch ms. Throws MillraceError `bad-options`. */
export function monitorTimes({ from, to }: { readonly from?: string | undefined; readonly to?: string | undefined }): {
  readonly fromMs?: number;
  readonly untilMs?: number;
} {
  const fromMs = from === undefined ? undefined : timeOf(from, '--from') / 1000;
  const untilMs = to === undefined ? undefined : timeOf(to, '--to') / 1000;
  if (fromMs !== undefined && untilMs !== undefined && fromMs >= untilMs) {
    throw new MillraceError('bad-options', `--from ${from} is not before --to ${to}`, {
      remedy: 'Give an earlier --from, or leave one of them out.',
    });
  }
  return { ...(fromMs === undefined ? {} : { fromMs }), ...(untilMs === undefined ? {} : { untilMs }) };
}
