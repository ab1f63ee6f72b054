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
  it('draws what is mapped at the end, and counts sizes and lifetimes of all', () => {
    const { code, stdout } = tablewalk(['tables', capture, '--domain', '0']);
    expect(code).toBe(0);
    expect(stdout).toContain('domain 0: 1 mappings, 100.0 % of the bytes in huge leaves');
    expect(stdout).toMatch(/0x200000 -> 0x80000000, leaves of 2 MiB/);
    expect(stdout).toMatch(/from 8 KiB +1 #/);
    expect(stdout).toMatch(/from 262.1 ms +1 #/);
    expect(stdout).toContain('never unmapped: 1');
  });

  it('draws an earlier time', () => {
    const { domains } = JSON.parse(tablewalk(['tables', capture, '--at', '1.7', '--json', '-']).stdout);
    expect(domains[0].layout.leaves).toEqual({ 4096: 2, [2 ** 21]: 1 });
  });

  it('ends with 1 where nothing is mapped yet, and refuses what is no time or domain', () => {
    expect(tablewalk(['tables', capture, '--at', '0']).code).toBe(1);
    expect(tablewalk(['tables', capture, '--at', 'noon']).code).toBe(2);
    expect(tablewalk(['tables', capture, '--domain', '7']).stderr).toContain('0 to 0');
  });
});
