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
import type { ViewBundle } from './view-bundle.ts';

/** Opens what was made and holds it to the folder's view on rows made from the contract. Throws MillraceError `bundle-incomplete`. */
export async function tryBundle(
  bundle: ViewBundle,
  view: CompiledView,
  { plans, baseFolder }: CarriedCode,
): Promise<void> {
  let opened: CompiledView;
  try {
    opened = await openBundle(bundle, baseFolder);
  } catch (cause) {
    if (!isMillraceError(cause) || cause.code !== 'bundle-unfit') throw cause;
    throw bundleIncomplete(
      view.name,
      `it does not run by itself: ${cause.message.replace(/^.*?does not run here: /, '')}`,
      cause,
    );
  }
  const [expected, received] = [view, opened].map((each) => JSON.stringify(derivedSubjects(each)));
  if (expected !== received)
    throw bundleIncomplete(view.name, 'its derived features give something else of sampled values than in its folder');
  for (const row of sampleRows(plans).rows) {
    const expected = outcomeOf(view, row);
    const received = outcomeOf(opened, row);
    if (received === expected) continue;
    throw bundleIncomplete(
      view.name,
      `of the row ${canonical(row)} it makes ${received}, and in its folder ${expected}`,
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
