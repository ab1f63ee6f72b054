import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

describe('tablewalk explain', () => {
  it('draws a descriptor, and ends with 0', async () => {
    const { code, stdout } = await tablewalk([
      'explain',
      '0x60000008090e4b',
      '--format',
      'arm-64-lpae-s1',
      '--level',
      '3',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('stage 1 page at level 3');
    expect(stdout).toContain('DDI 0487');
  });

  it('gives values, addresses and faults as one JSON list', async () => {
    const line =
      'arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x00000000, fsynr=0x3d0023, cbfrsynra=0x1c00, cb=13';
    const { code, stdout } = await tablewalk(['explain', 'TCR=0x3510', line, '--iova', '0x1000', '--json', '-']);
    const [split, tcr, fault, ...more] = JSON.parse(stdout);
    expect([code, split.iova, tcr.kind, fault.source, more]).toEqual([0, '0x1000', 'register', 'arm-smmu', []]);
  });

  it('ends with 1 when a text holds no fault', async () => {
    expect((await tablewalk(['explain', 'hello there'])).code).toBe(1);
  });

  it.each([
    [['explain'], 'what'],
    [['explain', 'nosuchfile.txt'], 'no file is called that'],
    [['explain', 'NOSUCH=1'], 'register'],
    [['explain', '0x1', '--level', '4'], '0 to 3'],
    [['explain', '0x1', '--granule', '8k'], '4k, 16k, 64k'],
    [['explain', 'cmd=1,2,3'], 'at most 2'],
    [['explain', '--iova', '0x1', '--ias', '60'], '13 to 48'],
    [['explain', '0x1ffffffffffffffff'], '2^64'],
  ])('refuses %j in one line', async (args, says) => {
    const { code, stdout, stderr } = await tablewalk(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tablewalk: .*\n$/);
    expect(stderr).toContain(says);
  });
});
