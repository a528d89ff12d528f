import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHIVE_COMMANDS, type ArchiveCommand, type ArchiveTended } from '../../workflows/archive-source/contract.ts';
import {
  type ArchiveEvent,
  archivePhaseOf,
  archiveRefusal,
  type ArchiveState,
  archiveStatusOf,
  archiveTransition,
  initialArchiveState,
  shouldArchive,
} from '../../workflows/archive-source/state.ts';
import { renderArchivePage } from '../../workflows/archive-source/page.ts';

const failure = { code: 'archive-unwritable', message: 'm', remedy: 'r', during: 'archiving', atMs: 1 };
const tended: ArchiveTended = {
  partitions: [
    {
      partition: 0,
      ranges: [{ from: 3, until: 1_200 }],
      rows: 1_197,
      files: 1,
      holes: [{ from: 0, until: 3, reason: 'retention' }],
      lag: 4,
    },
  ],
  mergedFiles: 2,
  rolledCommits: 5,
};
const resolved: ArchiveEvent = { type: 'resolved', plan: { source: 'clicks', topic: 'clicks', generation: 4 } };
const sliced: ArchiveEvent = {
  type: 'slice-ended',
  slice: { ended: 'deadline', records: 7, files: 1, lag: 2 },
};

function after(events: readonly ArchiveEvent[], from = initialArchiveState('clicks')): ArchiveState {
  return events.reduce(archiveTransition, from);
}

function send(command: ArchiveCommand): ArchiveEvent {
  return { type: 'command', command };
}

describe('an archive', () => {
  const archiving = after([{ type: 'round-started' }, resolved]);

  it('starts above every generation there was, and counts what it copied', () => {
    expect(archivePhaseOf(initialArchiveState('clicks'))).toBe('starting');
    expect(archivePhaseOf(archiving)).toBe('archiving');
    const state = after([{ type: 'generation-taken' }, sliced, sliced, { type: 'tended', tended }], archiving);
    expect(archiveStatusOf(state)).toMatchObject({ records: 14, lag: 2, mergedFiles: 2, rolledCommits: 5 });
    expect(state.generation).toBe(5);
    const superseded: ArchiveEvent = {
      type: 'slice-ended',
      slice: { ended: 'superseded', records: 0, files: 0, lag: 0, generation: 50 },
    };
    expect(after([superseded, { type: 'generation-taken' }], archiving).generation).toBe(51);
  });

  it('says pausing until nothing runs, then paused, and goes on', () => {
    const pausing = after([send('pause')], archiving);
    expect(archivePhaseOf(pausing)).toBe('pausing');
    expect(shouldArchive(pausing)).toBe(false);
    const paused = after([{ type: 'round-ended', failure: null }], pausing);
    expect(archivePhaseOf(paused)).toBe('paused');
    expect(shouldArchive(after([send('resume')], paused))).toBe(true);
  });

  it('waits in its failure for a person', () => {
    const failed = after([{ type: 'round-ended', failure }], archiving);
    expect(archivePhaseOf(failed)).toBe('failed');
    expect(archiveStatusOf(failed).accepts).toEqual(['pause', 'retry', 'stop']);
    expect(shouldArchive(after([send('retry')], failed))).toBe(true);
    expect(archiveRefusal(archiving, 'retry')).toBe('nothing has failed');
  });

  it('copies on though files could not be merged, and says so until they were', () => {
    const state = after([sliced, { type: 'tend-failed', failure }], archiving);
    expect(shouldArchive(state)).toBe(true);
    expect(archiveStatusOf(state)).toMatchObject({ phase: 'archiving', error: failure });
    expect(archiveStatusOf(after([{ type: 'tended', tended }], state)).error).toBeNull();
  });

  it('shows ranges, rows, holes and lag on its page', () => {
    const page = renderArchivePage(after([sliced, { type: 'tended', tended }], archiving));
    expect(page).toContain('### archive of clicks: archiving');
    expect(page).toContain('| 0 | 3–1,200 | 1,197 | 1 | 0–3 | 4 |');
    expect(page).toContain('- `pause`: ');
  });

  it('takes every command in any state, any number of times', () => {
    const events = fc.constantFrom<ArchiveEvent>(
      ...ARCHIVE_COMMANDS.map(send),
      { type: 'round-started' },
      resolved,
      { type: 'generation-taken' },
      sliced,
      { type: 'tended', tended },
      { type: 'tend-failed', failure },
      { type: 'round-ended', failure },
      { type: 'round-ended', failure: null },
    );
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), fc.constantFrom(...ARCHIVE_COMMANDS), (before, name) => {
        const state = after(before);
        const once = after([send(name)], state);
        expect(after([send(name)], once)).toEqual(once);
        if (state.wants.stopped) {
          expect(shouldArchive(state)).toBe(false);
          expect(ARCHIVE_COMMANDS.filter((other) => archiveRefusal(state, other) === null)).toEqual(['stop']);
        }
        // Carried over continue-as-new as JSON: nothing may be lost on the way.
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
    );
  });
});
