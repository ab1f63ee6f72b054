import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const VECTORS = join(import.meta.dirname, '..', 'vectors', 'gem5');
const run = (name: string): string => join(VECTORS, 'runs', `${name}.json`);
const folder = mkdtempSync(join(tmpdir(), 'translate-'));
const list = join(folder, 'list.txt');
writeFileSync(list, '0x1000\n0x2000\n0x1040\n');

describe('tablewalk translate --reference', () => {
  it('prints a line per file and ends with 0 when every figure is equal', async () => {
    const { code, stdout, stderr } = await tablewalk([
      'translate',
      '--reference',
      run('t_same.mo1'),
      run('t_inval.NH_ALL'),
    ]);
    expect([code, stdout, stderr]).toEqual([0, 'equal  t_same.mo1\nequal  t_inval.NH_ALL\n', '']);
  });

  it('names figures that differ, and by how much, and ends with 1', async () => {
    const changed = JSON.parse(readFileSync(run('t_same.mo1'), 'utf8'));
    changed.walks = 2;
    const file = join(folder, 'changed.json');
    writeFileSync(file, JSON.stringify(changed));
    const args = [
      'translate',
      '--reference',
      file,
      '--lists',
      join(VECTORS, 'lists'),
      '--image',
      join(VECTORS, 'image'),
    ];
    const text = await tablewalk(args);
    expect(text.code).toBe(1);
    expect(text.stdout).toBe('differs  t_same.mo1: 1 figures\n    walks: reference 2, ours 1 (-50.0 %)\n');
    const json = await tablewalk([...args, '--json', '-']);
    expect(JSON.parse(json.stdout)).toEqual({
      files: [
        {
          name: 't_same.mo1',
          equal: false,
          exact: false,
          differences: [{ figure: 'walks', expected: 2, found: 1, relative: -0.5 }],
        },
      ],
    });
  });

  it.each([
    ['a missing file', join(folder, 'nowhere.json'), 'no such file'],
    ['no JSON', list, 'JSON'],
    ['another JSON', join(VECTORS, 'image', 'pt.json'), 'config'],
  ])('refuses %s in one line', async (_, file, says) => {
    const { code, stdout, stderr } = await tablewalk(['translate', '--reference', file]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tablewalk: .*found.*allowed.*\n$/);
    expect(stderr).toContain(says);
  });
});

describe('tablewalk translate --stream', () => {
  it('gives figures as JSON, and host time on standard error alone', async () => {
    const { code, stdout, stderr } = await tablewalk([
      'translate',
      '--stream',
      list,
      '--preset',
      'gem5',
      '--json',
      '-',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      requests: 3,
      faults: 0,
      walks: 2,
      microTlb: { lookups: 3, misses: 2 },
      latency: { p50: 131, max: 748 },
    });
    expect(stderr).toMatch(/^[\d,]+ requests per second of host time\n$/);
  });

  it('prints the caches that were looked into', async () => {
    const { code, stdout } = await tablewalk(['translate', '--stream', list, '--preset', 'qemu']);
    expect(code).toBe(0);
    expect(stdout).toContain('requests 3, faults 0');
    expect(stdout).toContain('SMMU TLB');
    expect(stdout).not.toContain('micro-TLB');
  });

  it('says of faults what they are, and what would make them go away', async () => {
    const list = 'test/vectors/gem5/lists/t_same.u64.gz';
    const run = await tablewalk([
      'translate',
      '--stream',
      list,
      '--preset',
      'gem5',
      '--image',
      'test/vectors/gem5/image',
    ]);
    expect(run.code).toBe(1);
    expect(run.stdout).toContain('1,000 x permission fault, stage 1 level 3');
    expect(run.stdout).toContain('--privileged');
  });

  it('ends with 1 when something faults', async () => {
    const { code, stdout } = await tablewalk(['translate', '--stream', list, '--map', '0x1000:4k:0x1000']);
    expect(code).toBe(1);
    expect(stdout).toContain('faults 1');
  });

  it.each([
    [['--stream', list, '--preset', 'gem6'], 'preset'],
    [['--stream', list, '--map', 'half'], '--map'],
    [['--stream', list, '--set', 'mmu.tlb.entires=4'], 'entires'],
    [['--stream', list, '--set', 'mmu.tlb.ways=0'], 'mmu.tlb.ways'],
    [['--stream', list, '--image', folder], 'pt.json'],
    [['--stream', list, '--map', 'touched', '--image', folder], '--map'],
    [['--stream', list, '--reference', list], '--stream:'],
    [['--stream', list, '--streams', list], '--stream:'],
    [['--streams', list, '--reference', list], '--streams:'],
    [['--streams', list], 'another kind of file, allowed: a QEMU'],
    [['--streams', join(folder, 'none')], 'no such file, allowed: a QEMU'],
    [[], 'none of'],
  ])('refuses %j in one line', async (args, says) => {
    const { code, stdout, stderr } = await tablewalk(['translate', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tablewalk: .*\n$/);
    expect(stderr).toContain(says);
  });
});
