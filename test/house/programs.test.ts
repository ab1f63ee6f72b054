import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';

/**
 * The small programs of the READMEs. They stand in `programs/`, where the compiler checks them with everything else and where they can be
 * run; a README shows each as its users would write it, with what it prints.
 */
const PROGRAMS = [
  ['README.md', 'front-door'],
  ['formats/README.md', 'formats'],
  ['emulator/README.md', 'emulator'],
  ['devices/README.md', 'devices'],
  ['traces/README.md', 'traces'],
] as const;

/** From inside the house to the package as it is published. */
function asUser(program: string): string {
  return program
    .replaceAll("'../../../traces/front-door.ts'", "'tablewalk'")
    .replace(/'\.\.\/\.\.\/\.\.\/(\w+)\/index\.ts'/g, "'tablewalk/$1'");
}

describe.each(PROGRAMS)('the program of %s', (readme, name) => {
  const program = readFileSync(`test/house/programs/${name}.ts`, 'utf8');
  const shown = /```ts\n(.*?)```\n\n(?:[^\n]+\n\n)?```text\n(.*?)```/s.exec(readFileSync(readme, 'utf8'));

  it('is the one that is compiled', () => {
    expect(shown?.[1]).toBe(asUser(program));
  });

  it('prints what is shown', async () => {
    const lines: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((...words: unknown[]) => void lines.push(words.join(' ')));
    try {
      await import(`./programs/${name}.ts`);
    } finally {
      log.mockRestore();
    }
    expect(`${lines.join('\n')}\n`).toBe(shown?.[2]);
  });
});
