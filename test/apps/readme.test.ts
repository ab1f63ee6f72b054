import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

/** Every command whose output README.md shows, with that output. */
const shown = [...readFileSync('README.md', 'utf8').matchAll(/```console\n\$ tablewalk ([^\n]+)\n(.*?)```/gs)].map(
  ([, command = '', output = '']) => [command, output] as const,
);

describe('README.md', () => {
  it('shows the output of commands', async () => {
    expect(shown.length).toBeGreaterThan(3);
  });

  it.each(shown)('shows what is printed by tablewalk %s', async (command, output) => {
    const run = await tablewalk(command.split(' '));
    expect(run.stderr).toBe('');
    expect(run.stdout).toBe(output);
  });
});
