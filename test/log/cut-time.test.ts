import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brokerClock } from '../../config/broker-clock.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import type { TopicBounds } from '../../engine/topic/log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';

const BOUNDS: TopicBounds = {
  topic: 't',
  clusterId: 'c',
  partitions: [{ partition: 0, lowOffset: 0, endOffset: 7 }],
};

describe('when a cut was taken', () => {
  it('is before its ends were asked for: what arrives meanwhile may lie beyond them', async () => {
    let nowUs = 1_000;
    const clock = { ...systemClock, nowUs: () => nowUs };
    const reader = {
      bounds: async () => {
        nowUs += 500;
        return BOUNDS;
      },
    };
    expect((await takeCut(reader, 't', clock)).takenAtUs).toBe(1_000);
  });

  it('is by the clock of the brokers, where the reader has it', async () => {
    const reader = { bounds: async () => ({ ...BOUNDS, askedAtUs: 42 }) };
    expect((await takeCut(reader, 't', systemClock)).takenAtUs).toBe(42);
  });
});

describe('the clock of the brokers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-broker-clock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is the machine's, or what its file has now", () => {
    expect(brokerClock(null)).toBe(systemClock);
    const file = join(folder, 'clock');
    const clock = brokerClock(file);
    for (const timeUs of [991_353_600_000_000, 991_355_400_000_000]) {
      writeFileSync(file, `${timeUs}\n`);
      expect(clock.nowUs()).toBe(timeUs);
    }
    expect(clock.monotonicMs()).toBeGreaterThan(0);
  });

  it('is an error by name while its file is not there or has no time: nothing else stands for it', () => {
    const file = join(folder, 'clock');
    const asked = (): number => brokerClock(file).nowUs();
    expect(asked).toThrow(expect.objectContaining({ code: 'broker-clock-unreadable', retryable: true }));
    writeFileSync(file, '2001-06-01');
    expect(asked).toThrow(expect.objectContaining({ code: 'broker-clock-unreadable' }));
  });
});
