import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { join } from 'node:path';
import { CliRun } from '../cli/run-cli.ts';
import { UserWorld } from '../cases/user-world.ts';
import { examplePython, pythonVersion, runPython, type ScriptEnd } from './python-environment.ts';

const version = await pythonVersion();

const DEFINITIONS = `const buyer = entity('buyer', { buyer: z.string(), shop: z.int64() });
const orders = source('orders', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), buyer: z.string(), shop: z.int64(), price: decimal(12, 2), units: z.int().nullable(), big: z.int64(), day: z.iso.date(), kind: z.enum(['web', 'store']), paid: z.boolean(), weight: z.number() }),
  eventTime: 'at', eventId: 'id', history: { path: 'data/*.jsonl' },
});
export const buyers = featureView('buyers', { entity: buyer, source: orders, features: (f) => ({
  n: f.count(), spent: f.sum('price'), units: f.sum('units'), big: f.sum('big'), last_day: f.last('day'), last_at: f.last((e) => e.at, { type: z.iso.datetime() }),
  kind: f.last('kind'), paid: f.last('paid'), weight: f.avg('weight'), recent: f.sum('units').over('1h'), days: f.lastN('day', 2), spent_by_paid: f.sum('price').by('paid'), kinds_by_shop: f.lastN('kind', 3).by((e) => e.shop, { type: z.int64() }) }) });
export const small = featureView('small', { entity: buyer, source: orders, features: (f) => ({ product: f.sum(() => Number.MAX_SAFE_INTEGER, { type: z.int() }) }) });
export const model = featureService('model', [buyers]);
export const pairs = featureService('pairs', [buyers, buyers.as('referrer', { buyer: 'referred_by' })]);
export const loads = featureService('loads', {
  views: [buyers], request: z.object({ seats: z.int64(), share: z.number().nullable() }),
  derived: (d) => ({ seats_a_unit: d.number(({ buyers }, { request }) => (buyers.units === null ? null : Number(request.seats) / buyers.units)), seen: d.list(z.iso.datetime(), (_, { at }) => [at]), half: d.int((_, { request }) => (request.share === null ? null : request.share / 2)) }),
});
export const overflowing = featureService('overflowing', [small]);
`;

/** Beyond the doubles' whole numbers, and a sum of money that no double holds. */
const BIG = '9007199254740993';
const ROWS = [
  { buyer: 'ann', shop: '5', price: '9999999999.99', units: 2, kind: 'web', paid: true, weight: 0.1 },
  { buyer: 'ann', shop: '5', price: '0.02', units: null, kind: 'store', paid: false, weight: 0.2 },
  { buyer: 'bob', shop: '6', price: '7.00', units: null, kind: 'web', paid: true, weight: 3 },
];

let world: UserWorld;
let python: string;
let server: CliRun;
let variables: NodeJS.ProcessEnv;

const script = (name: string, ...args: string[]): Promise<ScriptEnd> => runPython(python, [name, ...args], variables);

/** What a line of Python prints, with the example at hand. */
async function evaluated(code: string): Promise<string> {
  const head =
    'import os, json\nfrom millrace import *\nstore = Millrace(os.environ["MILLRACE_URL"], os.environ.get("MILLRACE_TOKEN"))\n';
  const { code: exit, stdout, stderr } = await runPython(python, ['-c', head + code], variables);
  if (exit !== 0) throw new Error(stderr);
  return stdout.trim();
}

describe.skipIf(version === null)('examples/python', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    python = await examplePython(version ?? '');
    world = await UserWorld.open(inject('stack'), { orders: DEFINITIONS });
    const lines = ROWS.map((row, index) => ({
      ...row,
      id: `o${index}`,
      at: `2026-01-01T10:00:0${index}.000001Z`,
      day: '2026-01-01',
      big: BIG,
    }));
    world.write('data/orders.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    world.write(
      'spine.csv',
      'buyer,shop,event_timestamp,label\nann,5,2026-01-01T10:30:00Z,1\nnobody,7,2026-01-01T10:30:00Z,0\nbob,6,2026-01-02T00:00:00.5Z,0\n',
    );
    await world.startWorker();
    for (const args of [
      ['start', 'buyers', '--wait'],
      ['start', 'small', '--wait'],
      [
        'export',
        '--service',
        'model',
        '--spine',
        join(world.folder, 'spine.csv'),
        '--out',
        join(world.folder, 'set.parquet'),
      ],
    ]) {
      const { exitCode, stderr } = await world.millrace(...args);
      if (exitCode !== 0) throw new Error(`millrace ${args.join(' ')}: ${stderr}`);
    }
    const { token } = (await world.json('token', 'create', 'notebook', '--scope', 'read:model')) as { token: string };
    server = new CliRun(['serve', '--port', '0'], { ...world.variables, MILLRACE_API_AUTH: 'tokens' });
    await server.printed('answers');
    variables = { MILLRACE_URL: /(http:\S+) answers/.exec(server.stdout)?.[1] ?? '', MILLRACE_TOKEN: token };
  });
  afterAll(async () => {
    server?.interrupt();
    await server?.ended;
    await world?.close();
  });

  it('gets features over HTTP with a token, exactly', async () => {
    const { code, stdout, stderr } = await script('get_features.py', 'model', '{"buyer": "ann", "shop": "5"}');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/buyers__spent.*\n0 +ann .*10000000000\.01/);
    const values = await evaluated(
      'f = store.features("model", [{"buyer": "ann", "shop": "5"}, {"buyer": "nobody", "shop": "7"}])\n' +
        'print(json.dumps([[str(f[c].dtype), repr(f[c][0]), repr(f[c][1])] for c in f.columns if "__" in c]))',
    );
    expect(JSON.parse(values)).toEqual([
      ['Int64', 'np.int64(2)', 'np.int64(0)'],
      ['object', "Decimal('10000000000.01')", 'None'],
      ['Int64', 'np.int64(2)', '<NA>'],
      ['Int64', 'np.int64(18014398509481986)', '<NA>'],
      ['object', 'datetime.date(2026, 1, 1)', 'None'],
      ['datetime64[us, UTC]', "Timestamp('2026-01-01 10:00:01.000001+0000', tz='UTC')", 'NaT'],
      ['string', "'store'", '<NA>'],
      ['boolean', 'np.False_', '<NA>'],
      ['Float64', 'np.float64(0.15000000000000002)', '<NA>'],
      ['Int64', '<NA>', '<NA>'],
      ['object', '[datetime.date(2026, 1, 1), datetime.date(2026, 1, 1)]', 'None'],
      ['object', "{False: Decimal('0.02'), True: Decimal('9999999999.99')}", 'None'],
      ['object', "{5: ['web', 'store']}", 'None'],
    ]);
  });

  it('gets a view in roles, each under its own name', async () => {
    const entity = '{"buyer": "ann", "shop": "5", "referred_by": "nobody"}';
    const values = await evaluated(
      `f = store.features("pairs", [${entity}])\nprint(json.dumps([repr(f[c][0]) for c in ["buyers__spent", "referrer__spent", "referrer__n"]]))`,
    );
    expect(JSON.parse(values)).toEqual(["Decimal('10000000000.01')", 'None', 'np.int64(0)']);
  });

  it('gets what a service derives of a request for each entity', async () => {
    const wide = (await world.json('token', 'create', 'derived', '--scope', 'read:loads')) as { token: string };
    const code =
      'f = store.features("loads", [{"buyer": "ann", "shop": "5"}, {"buyer": "nobody", "shop": "7"}], [{"seats": str(2**53 + 1), "share": 2}, {"seats": 1, "share": None}], at=pandas.Timestamp("2026-02-01T00:00Z"))\n' +
      'print(json.dumps([[str(f[c].dtype), repr(f[c][0]), repr(f[c][1])] for c in f.columns if "loads__" in c]))';
    const own = { ...variables };
    variables = { ...variables, MILLRACE_TOKEN: wide.token };
    await expect
      .poll(() => evaluated(code).catch((error: unknown) => String(error)), { timeout: 15_000 })
      .toMatch(/^\[\[/);
    const values = await evaluated(code);
    variables = own;
    const seen = `[Timestamp('2026-02-01 00:00:00+0000', tz='UTC')]`;
    expect(JSON.parse(values)).toEqual([
      ['Float64', 'np.float64(4503599627370496.0)', '<NA>'],
      ['object', seen, seen],
      ['Int64', 'np.int64(1)', '<NA>'],
    ]);
  });

  it('says what the server refuses, and what is an error beside a null', async () => {
    const refused = async (code: string, more: NodeJS.ProcessEnv = {}): Promise<string> => {
      const head =
        'import os\nfrom millrace import *\nstore = Millrace(os.environ["MILLRACE_URL"], os.environ.get("MILLRACE_TOKEN"))\n';
      return (await runPython(python, ['-c', head + code], { ...variables, ...more })).stderr;
    };
    const one = '[{"buyer": "ann", "shop": "5"}]';
    expect(await refused(`store.features("model", ${one})`, { MILLRACE_TOKEN: 'mr_wrong' })).toMatch(
      /MillraceError: .* \(HTTP 401\)/,
    );
    expect(await refused(`store.features("overflowing", ${one})`)).toMatch(/MillraceError: .* \(HTTP 403\)/);
    expect(await refused('store.features("model", [{"buyer": "ann"}])')).toMatch(
      /MillraceError: invalid-key \(HTTP 400\)/,
    );
    const wide = (await world.json('token', 'create', 'all', '--scope', 'read:*')) as { token: string };
    const all = { MILLRACE_TOKEN: wide.token };
    await expect
      .poll(() => refused(`store.features("overflowing", ${one})`, all), { timeout: 15_000 })
      .toMatch(/ValueError: small of .*value-out-of-range/);
    expect(await refused(`store.features("overflowing", ${one}, on_error="null")`, all)).toBe('');
  });

  it('reads a training set, and finds it the same as what is served', async () => {
    const types = await evaluated(
      `t = training_set(${JSON.stringify(join(world.folder, 'set.parquet'))})\n` +
        'print(json.dumps({c: str(t[c].dtype.pyarrow_dtype) for c in t.columns if "__" in c and t[c].dtype != object}))\nprint(t["buyers__spent"][0], t["buyers__big"][0])',
    );
    const [dtypes = '', values] = types.split('\n');
    expect(JSON.parse(dtypes)).toMatchObject({
      buyers__n: 'int64',
      buyers__spent: 'decimal128(38, 2)',
      buyers__big: 'int64',
      buyers__last_day: 'date32[day]',
      buyers__last_at: 'timestamp[us, tz=UTC]',
    });
    expect(values).toBe('10000000000.01 18014398509481986');
    const set = join(world.folder, 'set.parquet');
    expect(await script('check_training_set.py', 'model', set, 'buyer,shop')).toEqual({
      code: 0,
      stdout: '3 rows, 13 features, 0 differing, 0 rows not compared\n',
      stderr: '',
    });
  });

  it('names what differs', async () => {
    const set = join(world.folder, 'set.parquet');
    const other = join(world.folder, 'other.parquet');
    await evaluated(
      `import pyarrow.parquet as p, pyarrow as a\nt = p.read_table(${JSON.stringify(set)})\n` +
        `i = t.column_names.index("buyers__n")\np.write_table(t.set_column(i, "buyers__n", a.array([2, 0, 9])), ${JSON.stringify(other)})`,
    );
    const { code, stdout } = await script('check_training_set.py', 'model', other, 'buyer,shop');
    expect(code).toBe(1);
    expect(stdout).toMatch(/'bob'.*buyers__n is 9 in the training set.* as served\n3 rows, 13 features, 1 differing/);
  });
});
