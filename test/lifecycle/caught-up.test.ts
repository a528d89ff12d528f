import { installationNames } from '../../engine/installation/installation-names.ts';
import { expect, it } from 'vitest';
import { isCaughtUp } from '../../workflows/feature-lifecycle/caught-up.ts';
import { checkLifecycleInput } from '../../workflows/feature-lifecycle/input.ts';

function optionsOf(options: object) {
  return checkLifecycleInput({ view: 'v', options }, 'feature:v', installationNames()).options;
}

it('a stream has caught up when few records are left, or so many as it works off in moments', () => {
  const options = optionsOf({});
  expect(isCaughtUp({ lag: 1_000 }, options)).toBe(true);
  expect(isCaughtUp({ lag: 1_001 }, options)).toBe(false);
  // 20,000 records arrive per second: between two slices it is never a thousand.
  expect(isCaughtUp({ lag: 20_000, recordsPerSecond: 60_000 }, options)).toBe(true);
  expect(isCaughtUp({ lag: 10_000_000, recordsPerSecond: 60_000 }, options)).toBe(false);
});

it('whoever says how many records means these', () => {
  expect(isCaughtUp({ lag: 1, recordsPerSecond: 60_000 }, optionsOf({ catchUpLag: 0 }))).toBe(false);
  expect(isCaughtUp({ lag: 60_000, recordsPerSecond: 60_000 }, optionsOf({ catchUpLag: 0, catchUpSeconds: 1 }))).toBe(
    true,
  );
});

it('what an open transaction holds back nobody can read: a stream that has read up to it does not look again and again', () => {
  const options = optionsOf({});
  expect(isCaughtUp({ lag: 1_000_000, held: 999_500 }, options)).toBe(true);
  expect(isCaughtUp({ lag: 1_000_000, held: 500_000 }, options)).toBe(false);
});
