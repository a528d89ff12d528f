/** docs/rollouts.md: its vectors are those that assignment is held to, and its Python gives what the engine gives. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { drawOfUnit, placeOfUnit } from '../../engine/evidence/assignment.ts';
import { oracleVariant, type OracleState } from './assignment-oracle.ts';

const page = readFileSync(new URL('../../docs/rollouts.md', import.meta.url), 'utf8');
const python = /^```python\n([\s\S]*?)^```$/m.exec(page)![1]!;
const hasPython = spawnSync('python3', ['--version']).status === 0;

const vectors = [...page.matchAll(/^\| `(.+?)` \| ?(\d*) \| `(.+?)` \| (\d+) \| ([\d.]+) \|$/gm)].map(
  ([, salt, revision, unit, bits, place]) => ({
    salt: salt!,
    revision: revision!,
    unit: unit!,
    bits: Number(bits),
    place: Number(place),
  }),
);

describe('the page of rollouts', () => {
  test('has vectors of both kinds, which are what the engine gives', () => {
    expect(vectors.filter(({ revision }) => revision === '').length).toBeGreaterThan(3);
    expect(vectors.filter(({ revision }) => revision !== '').length).toBeGreaterThan(1);
    for (const { salt, revision, unit, bits, place } of vectors) {
      expect(revision === '' ? placeOfUnit(salt, unit) : drawOfUnit(salt, Number(revision), unit)).toBe(place);
      expect(bits / 2 ** 53).toBe(place);
    }
  });

  test.skipIf(!hasPython)('has Python that assigns as the engine does, the vectors among others', () => {
    const split = (place: number, version: number) => [
      { variant: 'candidate', version: 2, share: place },
      { variant: 'against', version, share: 1 - place },
    ];
    const states: (OracleState & { unit: string })[] = vectors.flatMap(({ salt, revision, unit, place }) =>
      // Ends just below and just above its place: what one bit decides.
      [place, place + 2 ** -53, 0, 1, 0.1].map((share) => ({
        mode: revision === '' ? 'stages' : 'bandit',
        salt,
        revision: Number(revision || 1),
        variants: split(share, 1),
        unit,
      })),
    );
    for (let n = 0; n < 2_000; n++)
      states.push({
        mode: n % 2 === 0 ? 'stages' : 'bandit',
        salt: `salt-${n % 7}`,
        revision: n % 5,
        variants: split((n % 11) / 10, 1),
        unit: `unit ${n} ✈`,
      });
    const script = `${python}\nimport json, sys\nprint(json.dumps([variant_of(one, one["unit"])["variant"] for one in json.load(sys.stdin)]))\n`;
    const { stdout, stderr } = spawnSync('python3', ['-c', script], {
      input: JSON.stringify(states),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const given = JSON.parse(stdout) as string[];
    expect(given).toEqual(states.map((state) => oracleVariant(state, state.unit)));
    expect(new Set(given).size).toBe(2);
  });
});
