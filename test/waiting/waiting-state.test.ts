import { describe, expect, test } from 'vitest';
import { renderArchivePage } from '../../workflows/archive-source/page.ts';
import {
  archivePhaseOf,
  archiveStatusOf,
  archiveTransition,
  type ArchiveEvent,
  type ArchiveState,
  initialArchiveState,
} from '../../workflows/archive-source/state.ts';
import { renderLifecyclePage } from '../../workflows/feature-lifecycle/page.ts';
import { carriedState, initialState, type LifecycleState } from '../../workflows/feature-lifecycle/state.ts';
import { phaseOf, statusOf } from '../../workflows/feature-lifecycle/status.ts';
import type { LifecycleEvent } from '../../workflows/feature-lifecycle/transition.ts';
import { after, built, failure, send, slice, streamStarted } from '../lifecycle/lifecycle-events.ts';

const READ_ONLY = {
  code: 'database-read-only',
  message: 'Postgres at db takes no writes at present',
  sinceMs: Date.UTC(2026, 5, 1, 12),
};
const AWAY = { code: 'service-unreachable', message: 'Kafka at k does not answer', sinceMs: Date.UTC(2026, 5, 1, 11) };

const waits = (lane: string, waiting: typeof AWAY | null): LifecycleEvent => ({ type: 'waiting', lane, waiting });
const streaming = (): LifecycleState => after([send('promote'), streamStarted, slice()], built());

describe('a lifecycle that waits', () => {
  test('says so as its phase, with what and since when, and on its page', () => {
    const waiting = after([slice({ waiting: READ_ONLY, lag: 0, watermarkUs: null })], streaming());
    expect(phaseOf(waiting)).toBe('waiting');
    expect(statusOf(waiting)).toMatchObject({ waitingFor: READ_ONLY, error: null });
    const page = renderLifecyclePage(waiting);
    expect(page).toContain(': waiting\n');
    expect(page).toContain('**Waits** since 2026-06-01 12:00:00 UTC (`database-read-only`):\n\n> Postgres at db');
    const over = after([slice({ waiting: null })], waiting);
    expect(phaseOf(over)).toBe('streaming');
    expect(statusOf(over).waitingFor).toBeNull();
    expect(renderLifecyclePage(over)).not.toContain('Waits');
  });

  test('does not take what a slice that waits knows of the topic for what is there', () => {
    const behind = after([slice({ lag: 5_000 })], streaming());
    const waiting = after([slice({ waiting: AWAY, lag: 0, watermarkUs: null, records: 7 })], behind);
    expect(waiting.caughtUp).toEqual(behind.caughtUp);
    expect(statusOf(waiting)).toMatchObject({ lag: 5_000, watermarkUs: statusOf(behind).watermarkUs });
    expect(waiting.records).toBe(behind.records + 7);
  });

  test('behind an open transaction waits, with the lag to the real end: it has seen the topic', () => {
    const message = 'clicks is held back by an open transaction: partition 3 at offset 120 (producer 4001)';
    const HELD = { code: 'held-back', message, sinceMs: Date.UTC(2026, 5, 1, 12) };
    const held = after([slice({ waiting: HELD, lag: 70_000, held: 70_000 })], streaming());
    expect(phaseOf(held)).toBe('waiting');
    expect(statusOf(held)).toMatchObject({ lag: 70_000, waitingFor: HELD, error: null });
    expect(renderLifecyclePage(held)).toContain(`(\`held-back\`):\n\n> ${message}`);
    const over = after([slice({ waiting: null, lag: 0, held: 0 })], held);
    expect(phaseOf(over)).toBe('streaming');
    expect(statusOf(over)).toMatchObject({ lag: 0, waitingFor: null });
  });

  test('tells the wait that has lasted longest, and is rid of one when its lane is over', () => {
    const two = after([waits('proof', READ_ONLY), waits('stream 1/0', AWAY)], streaming());
    expect(statusOf(two).waitingFor).toEqual(AWAY);
    const one = after([waits('stream 1/0', null)], two);
    expect(statusOf(one).waitingFor).toEqual(READ_ONLY);
    const ended = after([{ type: 'stream-ended', version: 1, failure: null, completed: false }], two);
    expect(statusOf(ended).waitingFor).toEqual(READ_ONLY);
  });

  test('that is paused, retired or has failed says that first, and what it waits for beside it', () => {
    const waiting = after([waits('fence', AWAY)], streaming());
    const pausing = after([send('pause')], waiting);
    expect(statusOf(pausing)).toMatchObject({ phase: 'pausing', waitingFor: AWAY });
    expect(statusOf(after([send('retire')], waiting))).toMatchObject({ phase: 'retiring', waitingFor: AWAY });
    const failed = after([{ type: 'stream-ended', version: 1, failure, completed: false }], waiting);
    expect(statusOf(failed)).toMatchObject({ phase: 'failed', waitingFor: AWAY, error: failure });
  });

  test('goes on from what a run of the release before carried over, which knew of no waits', () => {
    const { waiting: _, ...before } = streaming();
    const carried = carriedState(before as LifecycleState, initialState('clicks_1h', 1));
    expect(statusOf(carried)).toMatchObject({ phase: phaseOf(streaming()), waitingFor: null });
  });
});

describe('an archive that waits', () => {
  const resolved: ArchiveEvent = { type: 'resolved', plan: { source: 'clicks', topic: 'clicks', generation: 1 } };
  const sliced = (lag: number, waiting?: typeof AWAY | null): ArchiveEvent => ({
    type: 'slice-ended',
    slice: { ended: 'deadline', records: 7, files: 1, lag, waiting },
  });
  const later = (events: readonly ArchiveEvent[], from: ArchiveState): ArchiveState =>
    events.reduce(archiveTransition, from);
  const archiving = later([resolved, sliced(30)], initialArchiveState('clicks'));

  test('says so, keeps the lag it knew, and is rid of it when something was written again', () => {
    const full = { ...AWAY, code: 'archive-full', message: 'the archive has no space left' };
    const waiting = later([sliced(0, full)], archiving);
    expect(archivePhaseOf(waiting)).toBe('waiting');
    expect(archiveStatusOf(waiting)).toMatchObject({ waitingFor: full, lag: 30, error: null });
    expect(renderArchivePage(waiting)).toContain('**Waits** since 2026-06-01 11:00:00 UTC (`archive-full`)');
    const over = later([sliced(3, null)], waiting);
    expect(archiveStatusOf(over)).toMatchObject({ phase: 'archiving', waitingFor: null, lag: 3 });
  });

  test('of a run of the release before goes on: its slices say nothing of waits', () => {
    expect(archiveStatusOf(later([sliced(2)], archiving))).toMatchObject({
      phase: 'archiving',
      waitingFor: null,
      lag: 2,
    });
  });
});
