import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { resultColumn } from '../../engine/postgres/column-types.ts';
import { outputSqlType } from '../../engine/training/scalar-sql.ts';
import { carriedJson, jsonTree, openedValue } from '../../engine/values/composite-text.ts';
import type { JsonTree } from '../../engine/values/json-values.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';

const text = { kind: 'string' } as const;
const int64 = { kind: 'int64' } as const;
const decimal = { kind: 'decimal', precision: 10, scale: 2 } as const;

/** What an aggregate gives, its type, and a value of it as JSON has it. */
const values: readonly (readonly [string, ResultType, JsonTree])[] = [
  ['`count()`', { kind: 'int' }, 12],
  ["`last('account')`", int64, '9007199254740993'],
  ["`max('amount')`", decimal, '12.50'],
  ["`avg('amount')`", { kind: 'double' }, 0.1],
  ["`last('city')`", text, 'Ede'],
  ["`last('kind')`", { kind: 'enum', values: ['web', 'till'] }, 'web'],
  ["`last('paid')`", { kind: 'boolean' }, true],
  ["`last('at')`", { kind: 'timestamp' }, '2026-01-01T10:00:00.000001Z'],
  ["`last('day')`", { kind: 'date' }, '2026-01-01'],
  ["`lastN('account', 2)`", { kind: 'list', item: int64 }, ['9007199254740993', '-1']],
  ["`lastN('at', 1)`", { kind: 'list', item: { kind: 'timestamp' } }, ['2026-01-01T10:00:00.000001Z']],
  ["`count().by('city')`", { kind: 'map', key: text, value: { kind: 'int' } }, { Ede: 2, 'a.b': 1 }],
  ["`max('amount').by('day')`", { kind: 'map', key: { kind: 'date' }, value: decimal }, { '2026-01-01': '12.50' }],
  [
    "`lastN('account', 1).by('paid')`",
    { kind: 'map', key: { kind: 'boolean' }, value: { kind: 'list', item: int64 } },
    { false: ['-1'] },
  ],
];

function rowOf([feature, type, json]: (typeof values)[number]): string {
  const carried = carriedJson(type)(json);
  if (carried === undefined) throw new Error(`${feature}: an example of another type`);
  // Without the prototype's name, which is none.
  const opened = inspect(openedValue(type)(carried), { breakLength: Infinity }).replace(
    /^\[Object: null prototype\] /,
    '',
  );
  const sql = resultColumn(type).ddl.replaceAll(' COLLATE "C"', '');
  const cells = [opened, JSON.stringify(jsonTree(type, carried)), sql, outputSqlType(type)];
  return `| ${feature} | ${nameOfType(type)} | ${cells.map((cell) => `\`${cell}\``).join(' | ')} |`;
}

test('docs/fetch.md has what a value is on each surface', () => {
  const page = readFileSync('docs/fetch.md', 'utf8');
  const table = [
    '| feature | type | TypeScript | JSON | SQL | Parquet |',
    '|---|---|---|---|---|---|',
    ...values.map(rowOf),
  ];
  expect(page).toContain(`${table.join('\n')}\n`);
});
