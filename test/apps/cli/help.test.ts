import { afterEach, describe, expect, it } from 'vitest';
import { fittedHelp } from '../../../apps/cli/terminal/index.ts';
import { tablewalk } from '../run-cli.ts';

const { isTTY, columns } = process.stdout;

afterEach(() => {
  Object.assign(process.stdout, { isTTY, columns });
});

/** Help of a command in a terminal that is so wide. */
async function helpAt(width: number, ...args: string[]): Promise<string> {
  Object.assign(process.stdout, { isTTY: true, columns: width });
  return (await tablewalk([...args, '--help'])).stdout;
}

describe('help', () => {
  it('of every command fits a terminal of 60 columns, but for single words that do not', async () => {
    const help = await helpAt(60);
    const names = [...help.matchAll(/^ {2}([a-z][a-z-]*)\b/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help');
    expect(names.length).toBeGreaterThanOrEqual(20);
    for (const name of names) {
      const wide = (await helpAt(60, name)).split('\n').filter((line) => line.length > 60);
      // What is in quotes is one word of a command line.
      expect(wide.filter((line) => /\S\s+\S/.test(line.replaceAll(/'[^']*'|"[^"]*"| \\$/g, 'x')))).toEqual([]);
    }
  });

  it('fills paragraphs anew, whatever lines they are written in', () => {
    expect(fittedHelp('one two three\nfour five\n\nsix', 12)).toBe('one two\nthree four\nfive\n\nsix');
  });

  it('keeps the column of explanations', () => {
    expect(fittedHelp('  a  one two three\n     four', 14)).toBe('  a  one two\n     three\n     four');
  });

  it('sets an explanation below a term that takes half the line', () => {
    expect(fittedHelp('  --preset <name>  one two three', 20)).toBe('  --preset <name>\n      one two three');
  });

  it('lets a command line be copied still: quotes and options with their values stay whole', () => {
    expect(fittedHelp("  tablewalk layout 'map 0 0 4k' --ias 32 --steps", 30)).toBe(
      "  tablewalk layout \\\n      'map 0 0 4k' --ias 32 \\\n      --steps",
    );
  });
});
