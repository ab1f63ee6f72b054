import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const MAP = 'map 0x40000000 0x80000000 2M rw';

describe('tablewalk layout', () => {
  it('draws tables with their entries folded into runs', async () => {
    const { code, stdout } = await tablewalk(['layout', MAP, 'map 0x40200000 0x80200000 8k r']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/level 2 table at 0x\w+, 4 KiB, from IOVA 0x40000000/);
    expect(stdout).toMatch(/\[0\] +0x40000000 -> 0x80000000, leaves of 2 MiB/);
    expect(stdout).toMatch(/\[0\.\.1\] +0x40200000 -> 0x80200000, 2 entries, leaves of 4 KiB/);
    expect(stdout).toContain('4 tables (level 0: 1, level 1: 1, level 2: 1, level 3: 1), 16 KiB');
  });

  it('compares granules', async () => {
    const { stdout } = await tablewalk(['layout', MAP, '--compare', 'granule=4k,16k,64k']);
    const row = (label: string) =>
      stdout
        .match(new RegExp(`│ ${label} .*`))?.[0]
        .split(/ *│ */)
        .slice(2, 5);
    expect(row('granule')).toEqual(['4k', '16k', '64k']);
    expect(row('leaves of 16 KiB')).toEqual(['-', '128', '-']);
    expect(row('leaves of 2 MiB')).toEqual(['1', '-', '-']);
  });

  it('shows the table cleaned before the entry that points to it is stored', async () => {
    const { stdout } = await tablewalk(['layout', MAP, '--steps', '--walk', 'non-coherent', '--json', '-']);
    const { steps }: { readonly steps: readonly string[] } = JSON.parse(stdout);
    const edit = steps.slice(steps.findIndex((step) => step.startsWith('map ')));
    expect(edit.slice(1, 6).map((step) => step.split(' ')[0])).toEqual([
      'allocate',
      'dma_map_single:',
      'barrier',
      'store',
      'dma_sync_single_for_device:',
    ]);
  });

  it('compares kernels: one splits the block, the next refuses', async () => {
    const { code, stdout } = await tablewalk(['layout', MAP, 'unmap 0x40001000 4k', '--compare', 'linux=6.12,7.3']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/leaves of 4 KiB +│ +511 │ +- │/);
    expect(stdout).toMatch(/leaves of 2 MiB +│ +- │ +1 │/);
    expect(stdout).toMatch(/\nlinux=7.3 refused: unmap 0x40001000/);
  });

  it('compares allocators of tables by what they ask of the system while an edit runs', async () => {
    const { stdout } = await tablewalk([
      'layout',
      'map 0x40000000 0x80000000 64k rw',
      '--compare',
      'allocator=page,reserve',
    ]);
    expect(stdout).toMatch(/while an edit ran +│ +3 │ +0 │/);
  });

  it('sets the contiguous hint where it is asked to', async () => {
    const leaf = async (...more: string[]): Promise<string> =>
      /\[0\.\.15\].* (0x[0-9a-f]+)\n/.exec(
        (await tablewalk(['layout', 'map 0x40000000 0x80000000 64k rw', ...more])).stdout,
      )?.[1] ?? '0';
    expect(BigInt(await leaf('--contiguous')) - BigInt(await leaf())).toBe(1n << 52n);
  });

  it('ends with 1 when an edit is refused', async () => {
    const { code, stdout } = await tablewalk(['layout', 'map 0x1001 0x80000000 4k']);
    expect([code, stdout.includes('refused: map 0x1001: EINVAL')]).toEqual([1, true]);
  });

  it.each([
    [['mop'], 'map IOVA'],
    [['/dev/null'], 'a file with one or more'],
    [['map \u009b31m 1 4k'], 'map ?31m'],
    [[`map ${'1'.repeat(5000)}`], '1..."'],
    [[MAP, '--granule', '8k'], '16k'],
    [[MAP, '--compare', 'colour=red'], 'granule'],
    [[MAP, '--ias', '99'], '13 to 52'],
    [[MAP, '--allocator', 'wool'], 'carve-out'],
    [[MAP, '--compare', 'split=never'], 'unmap-and-remap'],
  ])('refuses %j in one line', async (args, says) => {
    const { code, stdout, stderr } = await tablewalk(['layout', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tablewalk: .*\n$/);
    expect(stderr).toContain(says);
  });
});
