import type { DerivedFailed, ServiceDerivedFailed } from '../engine/online/view-read.ts';

/** Failures remembered at most: beyond it some are told again. */
const MAX_TOLD = 1_000;

/** Logs failures of derived features with what their functions saw, each reason of a feature once: it may come with every read. */
export function derivedLog(log: {
  error(about: object, message: string): void;
}): (failed: DerivedFailed | ServiceDerivedFailed) => void {
  const told = new Set<string>();
  return (failed) => {
    const of = 'service' in failed ? [failed.service] : [failed.view, failed.version];
    const kind = JSON.stringify([...of, failed.feature, failed.reason]);
    if (told.has(kind)) return;
    if (told.size >= MAX_TOLD) told.clear();
    told.add(kind);
    log.error(
      { code: 'derived-failed', ...failed, inputs: JSON.stringify(failed.inputs, bigintText) },
      'a derived feature failed: its reads get null and an error; further ones of this reason are counted alone',
    );
  };
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
