import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CarriedCode } from '../define/carried-code.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { derivedSubjects } from '../define/derived-samples.ts';
import { canonical } from '../define/row-results.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { Row } from '../contract/compiled-contract.ts';
import { bundleIncomplete } from './bundle-faults.ts';
import { openBundle } from './open-bundle.ts';
import { bundleSubject, type ViewBundle } from './view-bundle.ts';

/** Opens what was made and holds it to the folder's view on rows made from the contract. Throws MillraceError `bundle-incomplete`. */
export async function tryBundle(
  bundle: ViewBundle,
  view: CompiledView,
  { plans, baseFolder }: CarriedCode,
): Promise<void> {
  const subject = bundleSubject(bundle);
  const opened = await openedOf(subject, () => openBundle(bundle, baseFolder));
  const [expected, received] = [view, opened].map((each) => JSON.stringify(derivedSubjects(each)));
  if (expected !== received)
    throw bundleIncomplete(subject, 'its derived features give something else of sampled values than in its folder');
  for (const row of sampleRows(plans).rows) {
    const expected = outcomeOf(view, row);
    const received = outcomeOf(opened, row);
    if (received === expected) continue;
    throw bundleIncomplete(subject, `of the row ${canonical(row)} it makes ${received}, and in its folder ${expected}`);
  }
}

/** What was made, opened. Throws MillraceError `bundle-incomplete`. @param subject what it is of */
export async function openedOf<T>(subject: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (cause) {
    if (!isMillraceError(cause) || cause.code !== 'bundle-unfit') throw cause;
    throw bundleIncomplete(
      subject,
      `it does not run by itself: ${cause.message.replace(/^.*?does not run here: /, '')}`,
      cause,
    );
  }
}

function outcomeOf(view: CompiledView, row: Row): string {
  const out = emptyPrepared(view.layout.slots);
  const outcome = view.prepare(
    { row: structuredClone(row), eventTimeUs: 0, id: null, partition: 0, offset: 0, number: 0 },
    out,
  );
  return outcome === 'ok' ? canonical([out.keyText, out.inputs]) : canonical(outcome);
}
