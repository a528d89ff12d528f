import type { LayerRules } from './layer-faults.ts';

/** Who may import whom. `docs/architecture.md` draws it; `scripts/check-layers.ts` holds it. */
export const LAYERS: LayerRules = {
  // Low to high. A room imports those of lower lines and itself, never those beside it.
  levels: [
    ['engine/installation/installation-names.ts'],
    ['engine/errors'],
    ['engine/installation'],
    ['engine/faults'],
    ['engine/values'],
    ['engine/memory'],
    ['engine/contract'],
    ['engine/code'],
    ['engine/purity'],
    ['engine/derived'],
    ['engine/define'],
    ['engine/reduce'],
    ['engine/state'],
    ['engine/duckdb'],
    ['engine/admission'],
    ['engine/history'],
    ['engine/topic'],
    ['engine/kafka'],
    ['engine/log'],
    ['engine/slice'],
    ['migrations'],
    ['engine/postgres'],
    ['engine/bundles'],
    ['engine/archive', 'engine/served'],
    ['engine/replay'],
    ['engine/backfill', 'engine/stream', 'engine/online', 'engine/training'],
    ['engine/parity', 'engine/testing'],
    ['engine/versions'],
    ['index.ts', 'client.ts', 'testing.ts'],
    ['features', 'workflows'],
    ['config'],
    ['activities', 'operate', 'serving'],
    ['worker.ts'],
    ['stack'],
    ['cli'],
    ['demo'],
    ['cli/commands/demo.ts'],
    ['cli/create-program.ts'],
    ['cli/main.ts'],
    ['cli/bin.mjs'],
    ['scripts'],
    ['soak'],
    ['test', 'vitest.config.ts'],
    ['bench'],
  ],
  // Workflow code is deterministic, and bundled: of these it takes types alone, wherever they stand.
  typesOnly: [
    {
      from: 'workflows',
      to: ['activities', 'engine'],
      // Names alone: a workflow has to make the very ones that all others make.
      except: ['engine/installation/installation-names.ts'],
    },
  ],
  // A package is for these rooms and no others.
  packages: [
    {
      packages: ['zod'],
      rooms: [
        'engine/contract',
        'engine/derived',
        'engine/define',
        'engine/served',
        'features',
        'config',
        'cli',
        'scripts',
      ],
    },
    { packages: ['esbuild'], rooms: ['engine/code', 'engine/define'] },
    { packages: ['acorn'], rooms: ['engine/code', 'engine/purity', 'scripts'] },
    {
      packages: ['duckdb'],
      rooms: ['engine/duckdb', 'engine/history', 'engine/log', 'engine/archive', 'engine/backfill', 'engine/training'],
    },
    { packages: ['kafkajs'], rooms: ['engine/kafka', 'config', 'stack', 'cli', 'demo'] },
    { packages: ['lz4-napi', 'snappy'], rooms: ['engine/kafka'] },
    { packages: ['kysely'], rooms: ['engine/postgres', 'migrations'] },
    { packages: ['pg-copy-streams'], rooms: ['engine/postgres'] },
    {
      packages: ['pg'],
      // biome-ignore format: in the order of the levels
      rooms: [
        'engine/postgres', 'engine/bundles', 'engine/archive', 'engine/backfill', 'engine/stream', 'engine/online', 'engine/training', 'engine/parity',
        'config', 'activities', 'operate', 'serving', 'worker.ts', 'stack', 'cli', 'demo',
      ],
    },
    { packages: ['vega', 'vega-lite'], rooms: ['engine/training', 'engine/versions'] },
    { packages: ['@temporalio/workflow'], rooms: ['workflows'] },
    { packages: ['@temporalio/common'], rooms: ['workflows', 'activities', 'cli'] },
    { packages: ['@temporalio/activity'], rooms: ['activities'] },
    { packages: ['@temporalio/worker'], rooms: ['worker.ts', 'scripts'] },
    { packages: ['@temporalio/client'], rooms: ['config', 'activities', 'worker.ts', 'stack', 'cli'] },
    { packages: ['@temporalio/envconfig'], rooms: ['config'] },
    { packages: ['@temporalio/testing'], rooms: ['stack'] },
    { packages: ['hono', '@hono/node-server', '@hono/zod-openapi', 'prom-client'], rooms: ['serving'] },
    { packages: ['jose'], rooms: ['serving'] },
    { packages: ['pino'], rooms: ['serving', 'worker.ts'] },
    { packages: ['commander'], rooms: ['cli', 'scripts'] },
    { packages: ['cli-table3'], rooms: ['cli'] },
  ],
  // These try everything out, and nothing of ours imports them: any package is theirs, and no order within.
  free: ['soak', 'test', 'vitest.config.ts', 'bench'],
  // What a deployment runs never loads the local services or what plays with them; `dev` and `demo` load them when they are called.
  deployed: {
    entries: ['index.ts', 'client.ts', 'testing.ts', 'worker.ts', 'serving/start-api.ts', 'cli/main.ts'],
    never: ['stack', 'demo', 'soak', 'bench', 'test'],
  },
  // The library as definitions, applications and tests name it.
  self: { millrace: 'index.ts', 'millrace/client': 'client.ts', 'millrace/testing': 'testing.ts' },
};
