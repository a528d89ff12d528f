import { describe, expect, test } from 'vitest';
import type { PlantedFault } from '../../soak/faults/fault-site.ts';
import { judgeFault } from '../../soak/faults/judge-fault.ts';
import type { AuditDifference, AuditSummary } from '../../workflows/audit-parity/contract.ts';

const dropped: PlantedFault = {
  fault: 'a dropped record',
  view: 'customer_spend',
  cause: 'missing-record',
  entity: { customer: 7 },
  records: [{ partition: 2, offset: 11 }],
};

function difference(more: Partial<AuditDifference> = {}): AuditDifference {
  return {
    number: 1,
    entity: { customer: 7 },
    seq: 5,
    asOf: null,
    requestId: null,
    cause: 'missing-record',
    detail: '',
    cells: [{ feature: 'payments_1h', expected: 2, received: 1 }],
    records: [{ partition: 2, offset: 11, eventTime: '2026-05-01T12:00:00.000000Z' }],
    ...more,
  };
}

function audit(...differences: AuditDifference[]): AuditSummary {
  const causes: Record<string, number> = {};
  for (const { cause } of differences) causes[cause] = (causes[cause] ?? 0) + 1;
  return {
    auditId: 1,
    view: 'customer_spend',
    version: 1,
    fingerprint: 'f',
    verdict: differences.length === 0 ? 'equal' : 'broken',
    seq: 5,
    entities: 1,
    reads: 1,
    cellsCompared: 10,
    cellsDiffering: differences.length,
    skipped: {},
    causes,
    differences,
    seconds: 1,
  };
}

describe('a planted fault', () => {
  test('is named when its cause and exactly its record are', () => {
    expect(judgeFault(dropped, audit(difference()))).toEqual({ isNamed: true, reasons: [], strayCells: 0 });
  });

  test('is not named by silence, another cause, another record, or one record too many', () => {
    const other = { partition: 2, offset: 12, eventTime: '2026-05-01T12:00:00.000000Z' };
    for (const wrong of [
      audit(),
      audit(difference({ cause: 'unexplained' })),
      audit(difference({ records: [other] })),
      audit(difference({ records: [...difference().records, other] })),
    ])
      expect(judgeFault(dropped, wrong).isNamed).toBe(false);
  });

  test('does not account for a difference of another entity', () => {
    const verdict = judgeFault(dropped, audit(difference(), difference({ number: 2, entity: { customer: 8 } })));
    expect(verdict.isNamed).toBe(false);
    expect(verdict.strayCells).toBe(1);
  });

  test('does not account for what the summary leaves out', () => {
    const summary = audit(difference());
    const verdict = judgeFault(dropped, { ...summary, causes: { ...summary.causes, unexplained: 3 } });
    expect(verdict.isNamed).toBe(false);
  });
});
