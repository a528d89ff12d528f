import fc from 'fast-check';
import { test, expect } from 'vitest';
import { retaggedCrc, stateHeader } from '../../engine/state/retag-crc.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import { lawRuns } from './law-seed.ts';

const tag = fc.nat(0xffff_ffff);

test('a state under another tag has the checksum that is told, of any length, and a wrong one stays as wrong', () => {
  const rest = fc.uint8Array({ maxLength: 300_000, size: 'max' });
  fc.assert(
    fc.property(tag, tag, rest, fc.integer(), (from, to, bytes, damage) => {
      const [before, after] = [from, to].map((each) => Buffer.concat([stateHeader(each), bytes]));
      const delta = retaggedCrc(from, to, before!.length);
      expect((stateCrc(before!) ^ delta) | 0).toBe(stateCrc(after!));
      expect((stateCrc(before!) ^ damage ^ delta) | 0).toBe((stateCrc(after!) ^ damage) | 0);
    }),
    lawRuns(60),
  );
});
