import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'tables-'));
afterAll(() => rmSync(folder, { recursive: true }));
const capture = join(folder, 'trace.txt');
writeFileSync(
  capture,
  [
    '# tracer: nop',
    '  worker-77 [001] ..... 1.000000: map: IOMMU: iova=0x0000000000200000 - 0x0000000000400000 paddr=0x0000000080000000 size=2097152',
    '  worker-77 [001] ..... 1.500000: map: IOMMU: iova=0x0000000000020000 - 0x0000000000022000 paddr=0x0000000090000000 size=8192',
    '  worker-77 [001] ..... 2.000000: unmap: IOMMU: iova=0x0000000000020000 - 0x0000000000022000 size=8192 unmapped_size=8192',
    '',
  ].join('\n'),
);

describe('tablewalk tables', () => {
  it('draws what is mapped at the end, and counts sizes and lifetimes of all', async () => {
    const { code, stdout } = await tablewalk(['tables', capture, '--domain', '0']);
    expect(code).toBe(0);
    expect(stdout).toContain('domain 0: 1 mappings, 100.0 % of the bytes in huge leaves');
    expect(stdout).toMatch(/0x200000 -> 0x80000000, leaves of 2 MiB/);
    expect(stdout).toMatch(/from 8 KiB +1 #/);
    expect(stdout).toMatch(/from 262.1 ms +1 #/);
    expect(stdout).toContain('never unmapped: 1');
  });

  it('draws an earlier time', async () => {
    const { domains } = JSON.parse((await tablewalk(['tables', capture, '--at', '1.7', '--json', '-'])).stdout);
    expect(domains[0].layout.leaves).toEqual({ 4096: 2, [2 ** 21]: 1 });
  });

  it('tells what came and went between two times', async () => {
    const { code, stdout } = await tablewalk(['tables', capture, '--diff', '1.2', '1.7']);
    expect(code).toBe(0);
    expect(stdout).toContain('domain 0: 1 come (8 KiB), 0 gone (0 bytes), 1 kept, 0 came and went in between');
    expect(stdout).toContain('  + 0x20000           8 KiB -> 0x90000000, mapped at 1.5 (line 3)');
    expect((await tablewalk(['tables', capture, '--diff', '3'])).stderr).toContain('two times, the earlier one first');
  });

  it('draws the tables of an image that a replay wrote, stream by stream', async () => {
    const image = join(folder, 'image');
    expect((await tablewalk(['replay', capture, '--until', '1.7', '--image', image])).code).toBe(0);
    const all = await tablewalk(['tables', image]);
    expect(all.stdout).toMatch(
      /^StreamID 0x[0-9a-f]+: 99.6 % of the bytes in huge leaves\n {2}4 tables .*leaves 2 x 4 KiB, 1 x 2 MiB/,
    );
    const [, sid = ''] = /StreamID (0x[0-9a-f]+)/.exec(all.stdout) ?? [];
    expect((await tablewalk(['tables', image, '--sid', sid])).stdout).toMatch(
      /\[1\] +0x200000 -> 0x80000000, leaves of 2 MiB/,
    );
    expect((await tablewalk(['tables', image, '--at', '1'])).stderr).toContain('--at');
    expect((await tablewalk(['replay', capture, '--mmu', 'mali', '--image', image])).stderr).toContain('SMMUv3');
  });

  it('ends with 1 where nothing is mapped yet, and refuses what is no time or domain', async () => {
    expect((await tablewalk(['tables', capture, '--at', '0'])).code).toBe(1);
    expect((await tablewalk(['tables', capture, '--at', 'noon'])).code).toBe(2);
    expect((await tablewalk(['tables', capture, '--domain', '7'])).stderr).toContain('0 to 0');
  });
});
