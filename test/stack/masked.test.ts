import { expect, it } from 'vitest';
import { masked, shown } from '../../config/masked.ts';

it.each([
  ['postgres://me:secret@host:5432/db', 'postgres://me:***@host:5432/db'],
  ['postgres://me@host/db', 'postgres://***@host/db'],
  ['postgres://host:5432/db', 'postgres://host:5432/db'],
  ['postgres://me:s@cret@host/db', 'postgres://me:***@host/db'],
  ['postgres:/me:secret@host/db', 'postgres:/***@host/db'],
  ['me:secret@host/db', '***@host/db'],
  ['postgres://me:secret', 'postgres://me:***'],
  ['postgres://me:secret/db', 'postgres://me:***/db'],
  ['postgres://host/db?sslmode=require&password=secret&x=1', 'postgres://host/db?sslmode=require&password=***&x=1'],
  ['https://issuer/keys?api_key=secret', 'https://issuer/keys?api_key=***'],
  ['broker-1:9092,broker-2:9092', 'broker-1:9092,broker-2:9092'],
  ['127.0.0.1', '127.0.0.1'],
])('%s is shown as %s', (text, told) => {
  expect(masked(text)).toBe(told);
});

it('what is nothing but a secret is not shown at all', () => {
  for (const name of [
    'KAFKA_SASL_PASSWORD',
    'TEMPORAL_API_KEY',
    'TEMPORAL_TLS_CLIENT_KEY_DATA',
    'TEMPORAL_GRPC_META_X',
  ])
    expect([name, shown(name, 'secret')]).toEqual([name, '***']);
  expect(shown('MILLRACE_API_TLS_KEY', '/etc/tls/key.pem')).toBe('/etc/tls/key.pem');
  expect(shown('KAFKA_SASL_PASSWORD', undefined)).toBe(null);
});
