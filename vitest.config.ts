import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The manifest's exports name what a build makes: here `millrace` means the sources. */
const resolve = {
  alias: [
    { find: /^millrace$/, replacement: source('index.ts') },
    { find: /^millrace\/(client|testing)$/, replacement: source('$1.ts') },
  ],
};

const common = {
  pool: 'forks' as const,
  testTimeout: 120_000,
  hookTimeout: 300_000,
  teardownTimeout: 60_000,
  // kafkajs waits for times that have passed already, on purpose; Node warns of each.
  execArgv: ['--disable-warning=TimeoutNegativeWarning'],
};

const pure = [
  'test/laws/**/*.test.ts',
  'test/define/**/*.test.ts',
  'test/derived/{derive,definition,service-definition}.test.ts',
  'test/bundles/{bundle-law,made-elsewhere,make-bundle,package-form}.test.ts',
  'test/contract/**/*.test.ts',
  'test/types/**/*.test.ts',
  'test/slice/**/*.test.ts',
  'test/commands/**/*.test.ts',
  'test/console/{lineage,field-readers,distributions}.test.ts',
  'test/layers/**/*.test.ts',
  'test/memory/**/*.test.ts',
  'test/readme/**/*.test.ts',
  'test/training/**/*.test.ts',
  'test/value-monitors/store-watch.test.ts',
  'test/insight/**/*.test.ts',
  'test/examples/loop-arithmetic.test.ts',
  'test/statistics/**/*.test.ts',
  'test/alerts/{false-alarms,causes,day-and-hours,judge-rules,kept-share,no-alarm,webhook-body}.test.ts',
  'test/demo/watch-faults.test.ts',
  'test/evidence/**/*.test.ts',
  'test/rollouts/{decision-losses,fold-units,judge,decision-guards,rollout-input,rollout-decide,measured}.test.ts',
  'test/evaluation/{scores-law,refusals,off-policy,files,shown}.test.ts',
  'test/decisions/decision-log.test.ts',
  'test/labels/label-{law,scan}.test.ts',
  'test/oracle/**/*.test.ts',
  'test/rollouts/{choose-variant,rollouts-page}.test.ts',
  'test/versions/*-{oracle,laws}.test.ts',
  'test/history/**/*.test.ts',
  'test/log/cut-time.test.ts',
  'test/waiting/**/*.test.ts',
  'test/access/**/*.test.ts',
  'test/installation/{installation-names,installation-literals,kept-build}.test.ts',
  'test/operate/{metrics-page,runbook,ops-files,image-files}.test.ts',
  'test/package/{client-graph,init,installation}.test.ts',
];

export default defineConfig({
  test: {
    // Two cores: more workers only make the services' tests slower and flakier.
    maxWorkers: 2,
    projects: [
      { resolve, test: { ...common, name: 'pure', include: pure } },
      {
        resolve,
        test: {
          ...common,
          name: 'services',
          include: ['test/**/*.test.ts'],
          exclude: [...pure, 'test/browser/**'],
          globalSetup: ['test/global-setup.ts'],
        },
      },
      {
        resolve,
        test: {
          ...common,
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
        },
      },
    ],
  },
});
