import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import { checkOutput, checkOutputs, WholeFile, writeWholeFile } from '../../../traces/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-whole-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'result.json');
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  writeFileSync(path, 'old');
});

/** The one line that a refusal says. */
function refusal(work: () => void): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no refusal';
}

describe('a result file', () => {
  it('shows the old content until all of the new is written, and leaves nothing beside it', () => {
    const file = new WholeFile('--json', path);
    file.write('x'.repeat(200_000));
    file.write(Uint8Array.of(0x41, 0x42));
    expect(readFileSync(path, 'utf8')).toBe('old');
    file.commit();
    file.abandon();
    expect(readFileSync(path, 'utf8')).toBe(`${'x'.repeat(200_000)}AB`);
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('that is abandoned leaves the old one', () => {
    const file = new WholeFile('--json', path);
    file.write('half');
    file.abandon();
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('keeps the mode of the file it replaces, and a link stays a link', () => {
    chmodSync(path, 0o640);
    const link = join(folder, 'link.json');
    symlinkSync('result.json', link);
    writeWholeFile('--json', link, 'new');
    expect(readlinkSync(link)).toBe('result.json');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('is never one of the inputs, by whatever name', () => {
    const link = join(folder, 'link.json');
    symlinkSync(path, link);
    expect(refusal(() => writeWholeFile('--json', link, 'x', ['-', path]))).toBe(
      `--json: found ${JSON.stringify(link)}, allowed: a file other than the input ${path}`,
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('on a full device is one line with the reason', () => {
    expect(refusal(() => writeWholeFile('--json', '/dev/full', 'x'))).toBe(
      '--json: found "/dev/full", allowed: a file that can be written (no space left on the device)',
    );
    writeWholeFile('--json', '/dev/null', 'x');
  });

  it('on a disk that fills up leaves the old one and nothing beside it', () => {
    // A limit on file sizes stands for a full disk: the kernel takes what fits and refuses the rest.
    const script = [
      `import { writeWholeFile } from ${JSON.stringify(join(process.cwd(), 'traces/files/whole-file.ts'))};`,
      `process.on('SIGXFSZ', () => {});`,
      `try { writeWholeFile('--leaves', ${JSON.stringify(path)}, 'y'.repeat(5_000_000)); } catch (error) { console.log(error.message); }`,
    ].join('\n');
    const program = join(folder, 'program.mjs');
    buildSync({
      stdin: { contents: script, resolveDir: process.cwd() },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
    });
    const run = spawnSync('bash', ['-c', `ulimit -f 1024; exec "${process.execPath}" "${program}"`], {
      encoding: 'utf8',
    });
    expect(run.stdout).toMatch(
      /^--leaves: found .*allowed: a file that can be written \(the file grows beyond what is allowed\)\n$/,
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder).sort()).toEqual(['program.mjs', 'result.json']);
  });
});

describe('outputs are checked before a run', () => {
  it.each([
    ['', /the name of a file/],
    ['.', /not a directory/],
    ['nowhere/file', /no such folder/],
  ])('%j is refused', (name, reason) => {
    expect(refusal(() => checkOutput('--json', name === '' ? name : join(folder, name)))).toMatch(reason);
  });

  it('nowhere and standard output are fine, but not twice the same place', () => {
    checkOutputs([
      ['--json', undefined],
      ['--leaves', '-'],
      ['--csv', '/dev/null'],
      ['--html', '/dev/null'],
    ]);
    const same = join(folder, '..', folder.slice(folder.lastIndexOf('/') + 1), 'new');
    expect(
      refusal(() =>
        checkOutputs([
          ['--json', join(folder, 'new')],
          ['--leaves', same],
        ]),
      ),
    ).toMatch(/^--leaves: .*another place than --json has$/);
  });
});
