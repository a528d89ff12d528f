import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { confirm, type Terminal } from '../../cli/confirm.ts';

function terminal(typed: string | null, isTTY = true): { readonly at: Terminal; readonly shown: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = Object.assign(new PassThrough(), { isTTY });
  if (typed === null) input.end();
  else input.write(typed);
  return { at: { input, output }, shown: () => String(output.read() ?? '') };
}

it.each(['y\n', 'Y\n', ' yes \n'])('goes on at %j, having said what it drops', async (typed) => {
  const { at, shown } = terminal(typed);
  await confirm('retire clicks', 'Version 3 is dropped.', at);
  expect(shown()).toContain('Version 3 is dropped.\nretire clicks? [y/N]');
});

it.each(['\n', 'n\n', 'yeah\n', 'retire\n', null])('does nothing at %j', async (typed) => {
  const refused = { code: 'not-confirmed', message: expect.stringContaining('nothing was done') };
  await expect(confirm('retire clicks', 'It is dropped.', terminal(typed).at)).rejects.toMatchObject(refused);
});

it('without a terminal names the option, and asks nobody', async () => {
  const { at, shown } = terminal('y\n', false);
  await expect(confirm('retire clicks', 'It is dropped.', at)).rejects.toMatchObject({
    code: 'not-confirmed',
    remedy: 'Say so beforehand: millrace retire clicks --yes',
  });
  expect(shown()).toBe('');
});
