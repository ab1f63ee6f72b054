import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const READMES = [
  'README.md',
  ...['formats', 'emulator', 'devices', 'traces', 'apps'].flatMap((floor) =>
    readdirSync(floor, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('README.md') && !name.includes('node_modules'))
      .map((name) => join(floor, name)),
  ),
];

/** Every command whose output a README shows, with that output. */
const shown = READMES.flatMap((readme) =>
  [...readFileSync(readme, 'utf8').matchAll(/```console\n\$ tablewalk ([^\n]+)\n(.*?)```/gs)].map(
    ([, command = '', output = '']) => [readme, command, output] as const,
  ),
);

/** The words of a command line, of which some are quoted. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** How many figures are the same in all columns grows with every figure that is added: no example is about that. */
function withoutRowCount(text: string): string {
  return text.replace(/^\d+( more rows are the same)/m, 'N$1');
}

describe('the READMEs', () => {
  it('show the output of commands, five of them in the first', () => {
    expect(shown.filter(([readme]) => readme === 'README.md')).toHaveLength(5);
  });

  it.each(shown)('%s shows what is printed by tablewalk %s', async (_, command, output) => {
    const run = await tablewalk(wordsOf(command));
    expect(run.stderr).toBe('');
    // A line of three dots stands for any others.
    let rest = withoutRowCount(run.stdout);
    const parts = withoutRowCount(output).split(/^\.\.\.\n/m);
    for (const [at, part] of parts.entries()) {
      const found = at === 0 ? (rest.startsWith(part) ? 0 : -1) : rest.indexOf(part);
      if (found < 0) expect(rest).toContain(part);
      rest = rest.slice(found + part.length);
    }
    if (parts.length === 1) expect(rest).toBe('');
  });
});
