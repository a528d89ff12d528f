import { afterEach, describe, expect, test, vi } from 'vitest';
import { installationNamed } from '../../engine/installation/installation-named.ts';
import {
  installationNames,
  installationOfQueue,
  isInstallationName,
} from '../../engine/installation/installation-names.ts';
import { OPEN_NAMES, settleNames } from '../../engine/installation/open-names.ts';

/** All that a view `clicks` of the source `clicks` is called by. */
function namesFor(name: string | undefined): readonly string[] {
  const names = installationNames(name);
  return [
    ...Object.values(names.schemas),
    ...Object.values(names.roles),
    names.locks,
    names.lifecycleId('clicks'),
    names.archiveId('clicks'),
    names.pairsId('clicks'),
    names.auditId('clicks', '1'),
    names.exportId('clicks', '1'),
    names.auditScheduleId('clicks'),
    names.searchValue('clicks'),
    names.taskQueue('millrace'),
    names.servedTopic,
    names.consumerGroup('clicks', 1),
    names.folder('/archive'),
  ];
}

describe('the names of an installation', () => {
  test('the default one adds nothing', () => {
    expect(namesFor('default')).toEqual([
      'millrace',
      'millrace_catalog',
      'millrace_state',
      'millrace_sql',
      'millrace_owner',
      'millrace_worker',
      'millrace_server',
      'millrace_reader',
      'millrace',
      'feature:clicks',
      'archive:clicks',
      'pairs:clicks',
      'audit:clicks:1',
      'export:clicks:1',
      'audit:clicks',
      'clicks',
      'millrace',
      'millrace.served',
      'millrace.clicks.v1',
      '/archive',
    ]);
    expect(namesFor(undefined)).toEqual(namesFor('default'));
  });

  test('another one has its name in each', () => {
    expect(namesFor('blue')).toEqual([
      'millrace_blue',
      'millrace_blue_catalog',
      'millrace_blue_state',
      'millrace_blue_sql',
      'millrace_blue_owner',
      'millrace_blue_worker',
      'millrace_blue_server',
      'millrace_blue_reader',
      'millrace/blue',
      'blue/feature:clicks',
      'blue/archive:clicks',
      'blue/pairs:clicks',
      'blue/audit:clicks:1',
      'blue/export:clicks:1',
      'blue/audit:clicks',
      'blue/clicks',
      'blue/millrace',
      'millrace.blue.served',
      'millrace.blue.clicks.v1',
      '/archive/installation.blue',
    ]);
  });

  test('no name of one is a name of another, whatever they are called', () => {
    // Names that look like parts of names: each must still be told from all others.
    const installations = ['default', 'a', 'b', 'owner', 'worker', 'feature', 'archive', 'served', 'x', 'millrace'];
    const named = new Map<string, string>();
    for (const installation of installations) {
      const names = installationNames(installation);
      const all = [
        ...Object.values(names.schemas).map((name) => `schema ${name}`),
        ...Object.values(names.roles).map((name) => `role ${name}`),
        names.lifecycleId('x'),
        names.archiveId('x'),
        names.taskQueue('millrace'),
        names.servedTopic,
        names.consumerGroup('x', 1),
        names.locks,
      ];
      for (const name of all) {
        expect(`${name}: ${named.get(name) ?? installation}`).toBe(`${name}: ${installation}`);
        named.set(name, installation);
      }
    }
  });

  test('a lifecycle of another installation is nobody of ours', () => {
    expect(installationNames().viewOfLifecycle('feature:clicks')).toBe('clicks');
    expect(installationNames().viewOfLifecycle('blue/feature:clicks')).toBeNull();
    expect(installationNames('blue').viewOfLifecycle('blue/feature:clicks')).toBe('clicks');
    expect(installationNames('blue').viewOfLifecycle('feature:clicks')).toBeNull();
  });

  test('a task queue tells whose it is', () => {
    expect(installationOfQueue('millrace').name).toBe('default');
    expect(installationOfQueue('blue/millrace').name).toBe('blue');
    expect(installationOfQueue('Team/millrace').name).toBe('default');
    for (const name of ['default', 'blue'])
      expect(installationOfQueue(installationNames(name).taskQueue('other')).name).toBe(name);
  });
});

test.each<[string, boolean]>([
  ['blue', true],
  ['b', true],
  ['b123456789012345', true],
  ['b1234567890123456', false],
  ['', false],
  ['Blue', false],
  ['1a', false],
  ['a-b', false],
  ['a_b', false],
  ['a/b', false],
  ['a\n', false],
  // Its schema would be the catalog of the default installation.
  ['catalog', false],
  ['state', false],
  ['sql', false],
])('%j is a name: %s', (name, expected) => {
  expect(isInstallationName(name)).toBe(expected);
});

describe('an SQL text', () => {
  test('gets the names that it leaves open, and keeps all else', () => {
    const text = `SELECT 'millrace_catalog' FROM ${OPEN_NAMES.catalog}.x, "${OPEN_NAMES.state}".y, ${OPEN_NAMES.sql}.f('${OPEN_NAMES.reader}')`;
    expect(settleNames(text, installationNames())).toBe(
      `SELECT 'millrace_catalog' FROM millrace_catalog.x, "millrace_state".y, millrace_sql.f('millrace_reader')`,
    );
    expect(settleNames(text, installationNames('blue'))).toBe(
      `SELECT 'millrace_catalog' FROM millrace_blue_catalog.x, "millrace_blue_state".y, millrace_blue_sql.f('millrace_blue_reader')`,
    );
  });

  test('with a name that nobody has is a bug', () => {
    expect(() => settleNames('\0other\0', installationNames())).toThrow(
      expect.objectContaining({ code: 'internal-bug' }),
    );
  });
});

describe('the installation that a program means', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('is the one it gives, else that of its environment, else the default one', () => {
    vi.stubEnv('MILLRACE_INSTALLATION', 'blue');
    expect(installationNamed('green').name).toBe('green');
    expect(installationNamed().name).toBe('blue');
    vi.stubEnv('MILLRACE_INSTALLATION', '');
    expect(installationNamed().name).toBe('default');
  });

  test('is refused by the same rule, wherever it comes from', () => {
    const refused = expect.objectContaining({
      code: 'bad-configuration',
      message: expect.stringContaining('[a-z][a-z0-9]{0,15}'),
    });
    expect(() => installationNamed('Blue')).toThrow(refused);
    vi.stubEnv('MILLRACE_INSTALLATION', 'catalog');
    expect(() => installationNamed()).toThrow(refused);
  });
});
