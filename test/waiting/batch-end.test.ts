import { expect, it, vi } from 'vitest';
import { BatchEnd } from '../../engine/backfill/batch-end.ts';

it('a scan that is told to end does not wait for a batch that does not come', async () => {
  vi.useFakeTimers();
  try {
    const abort = new AbortController();
    const end = new BatchEnd(abort.signal);
    expect([end.isAsked, end.signal.aborted]).toEqual([false, false]);
    abort.abort(new Error('enough'));
    expect([end.isAsked, end.signal.aborted]).toEqual([true, false]);
    vi.advanceTimersByTime(4_999);
    expect(end.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(end.signal.reason).toEqual(new Error('enough'));
    const early = new BatchEnd(AbortSignal.abort(new Error('before')), 10);
    early.close();
    vi.advanceTimersByTime(1_000);
    expect([early.isAsked, early.signal.aborted]).toEqual([true, false]);
  } finally {
    vi.useRealTimers();
  }
});
