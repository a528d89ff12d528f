import type { AuditDifference, AuditSummary } from '../../workflows/audit-parity/contract.ts';
import type { PlantedFault } from './fault-site.ts';

/** What an audit made of a planted fault. */
export interface FaultVerdict {
  readonly isNamed: boolean;
  /** Why not; empty when it was named. */
  readonly reasons: readonly string[];
  /** Cells that differ and that the fault does not account for. */
  readonly strayCells: number;
}

/** Whether an audit found a planted fault, called it by its name, and found nothing else. */
export function judgeFault(fault: PlantedFault, audit: AuditSummary): FaultVerdict {
  const reasons: string[] = [];
  const ours: AuditDifference[] = [];
  let strayCells = 0;
  for (const difference of audit.differences) {
    const isOurs = fault.entity === null || sameEntity(fault.entity, difference.entity);
    if (isOurs && difference.cause === fault.cause) ours.push(difference);
    else {
      strayCells += difference.cells.length;
      reasons.push(`${JSON.stringify(difference.entity)} is called ${difference.cause}: ${difference.detail}`);
    }
  }
  // The summary shows the first differences only; of the others it gives the number by cause.
  for (const [cause, times] of Object.entries(audit.causes)) {
    if (times > 0 && cause !== fault.cause) reasons.push(`${times} differences are called ${cause}`);
  }
  if (ours.length === 0) reasons.push(`no difference is called ${fault.cause}`);
  const { records } = fault;
  if (records !== null) {
    for (const difference of ours) {
      if (!sameRecords(records, difference.records))
        reasons.push(
          `the records named are ${JSON.stringify(difference.records)}, and it was ${JSON.stringify(records)}`,
        );
    }
  }
  return { isNamed: reasons.length === 0, reasons, strayCells };
}

function sameEntity(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((name) => a[name] === b[name]);
}

function sameRecords(
  a: readonly { readonly partition: number; readonly offset: number }[],
  b: readonly { readonly partition: number; readonly offset: number }[],
): boolean {
  return (
    a.length === b.length &&
    a.every(({ partition, offset }) => b.some((other) => other.partition === partition && other.offset === offset))
  );
}
