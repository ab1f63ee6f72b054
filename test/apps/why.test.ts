import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'why-'));
afterAll(() => rmSync(folder, { recursive: true }));
const task = (time: string): string => `  worker-77      [001] .....     ${time}: `;
const capture = join(folder, 'trace.txt');
writeFileSync(
  capture,
  [
    '# tracer: nop',
    `${task('1.000000')}map: IOMMU: iova=0x0000000000010000 - 0x0000000000012000 paddr=0x0000000080000000 size=8192`,
    `${task('1.500000')}map: IOMMU: iova=0x0000000000020000 - 0x0000000000021000 paddr=0x0000000090000000 size=4096`,
    `${task('2.000000')}unmap: IOMMU: iova=0x0000000000010000 - 0x0000000000012000 size=8192 unmapped_size=8192`,
    `${task('3.000000')}map: IOMMU: iova=0x0000000000010000 - 0x0000000000011000 paddr=0x00000000a0000000 size=4096`,
    '',
  ].join('\n'),
);
const log = join(folder, 'dmesg.txt');
const faultAt = (time: string, iova: string): string =>
  `[ ${time}] arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=${iova}, fsynr=0x3, cbfrsynra=0x1c00, cb=13`;
const suspects = async (...lines: string[]): Promise<string[][]> => {
  writeFileSync(log, `${lines.join('\n')}\n`);
  const { stdout } = await tablewalk(['why', capture, '--dmesg', log, '--json', '-']);
  const answers: { readonly suspicions: readonly { readonly name: string }[] }[] = JSON.parse(stdout);
  return answers.map(({ suspicions }) => suspicions.map(({ name }) => name));
};

describe('tablewalk why', () => {
  it('tells which mapping covered an address, who made it, when it went, and what is beside it', async () => {
    const { code, stdout } = await tablewalk(['why', capture, '--iova', '0x11008', '--time', '1.7']);
    expect(code).toBe(0);
    expect(stdout).toContain(
      'mapped then: [0x10000, 0x12000) 8 KiB to 0x80000000, mapped at 1.000000 (line 2) by pid 77 on CPU 1, unmapped at 2.000000 (line 4)',
    );
    expect(stdout).toContain('above: [0x20000, 0x21000)');
  });

  it('tells what was there before and what came after', async () => {
    const [{ domains }] = JSON.parse(
      (await tablewalk(['why', capture, '--iova', '0x10000', '--time', '2.5', '--json', '-'])).stdout,
    );
    expect([domains[0].covering, domains[0].before.made.line, domains[0].after.made.line]).toEqual([null, 2, 5]);
  });

  it('answers each fault line with the suspicion that the capture proves, first', async () => {
    const found = await suspects(
      faultAt('2.000100', '0x10000'),
      faultAt('1.700000', '0x12000'),
      faultAt('2.500000', '0x90000010'),
    );
    expect(found.map(([first]) => first)).toEqual([
      'device not quiet after unmap',
      'overrun by one',
      'physical address used as IOVA',
    ]);
  });

  it('says until when a lazy kernel may have let an unmapped address through', async () => {
    const ask = async (time: string): Promise<string> =>
      (await tablewalk(['why', capture, '--iova', '0x10000', '--time', time])).stdout;
    expect(await ask('2.01')).toContain(
      'a lazy kernel may still let an access through: flushed by 2.016000 at the latest, by the timer',
    );
    expect(await ask('2.01')).toContain('suspicion: hidden by lazy invalidation');
    expect(await ask('2.5')).toContain('even a lazy kernel refuses it');
    expect(await ask('2.5')).not.toContain('hidden by lazy');
  });

  it('takes the device from the StreamID of a fault line where the capture has one that makes it', async () => {
    const named = join(folder, 'named.txt');
    const attach = (name: string): string => `${task('0.500000')}attach_device_to_domain: IOMMU: device=${name}`;
    writeFileSync(
      named,
      ['# tracer: nop', attach('0000:00:02.0'), attach('0000:00:03.0'), readFileSync(capture, 'utf8')].join('\n'),
    );
    writeFileSync(
      log,
      '[ 1.700000] arm-smmu-v3 arm-smmu-v3.0.auto: event: F_TRANSLATION client: 0000:00:03.0 sid: 0x18 ssid: 0x0 iova: 0x12000 ipa: 0x0\n',
    );
    const [{ device }] = JSON.parse((await tablewalk(['why', named, '--dmesg', log, '--json', '-'])).stdout);
    expect(device).toBe('0000:00:03.0');
  });

  it('says when another device than the one of the fault had the address', async () => {
    const mixed = join(folder, 'mixed.txt');
    const map = (device: string, iova: number): string[] => [
      `${task('1.000000')}map: IOMMU: iova=0x${iova.toString(16)} - 0x${(iova + 4096).toString(16)} paddr=0x80000000 size=4096`,
      `${task('1.000000')}dma_map_page: ${device} dir=TO_DEVICE dma_addr=${iova.toString(16)} size=4096 phys_addr=80000000 attrs=`,
    ];
    writeFileSync(
      mixed,
      ['# tracer: nop', ...map('0000:00:02.0', 0x10000), ...map('0000:00:03.0', 0x50000), ''].join('\n'),
    );
    writeFileSync(
      log,
      '[ 1.700000] arm-smmu-v3 a: event: F_TRANSLATION client: 0000:00:02.0 sid: 0x10 ssid: 0x0 iova: 0x50000 ipa: 0x0\n',
    );
    const [answer] = JSON.parse((await tablewalk(['why', mixed, '--dmesg', log, '--json', '-'])).stdout);
    expect([answer.device, answer.suspicions[0].name]).toEqual(['0000:00:02.0', 'mapped for another device']);
    expect(answer.suspicions[0].evidence).toContain('of 0000:00:03.0');
  });

  it('ends with 1 when an address was never mapped, and when there is no fault', async () => {
    expect((await tablewalk(['why', capture, '--iova', '0x5000000'])).code).toBe(1);
    expect((await tablewalk(['why', capture])).code).toBe(1);
  });

  it.each([
    [['--iova', 'here'], '2^52'],
    [['--iova', '0x1', '--time', 'noon'], 'trace clock'],
    [['--iova', '0x1', '--device', 'gpu'], 'names no device'],
    [['--dmesg', join(folder, 'nowhere')], 'no such file'],
  ])('refuses %j in one line', async (args, says) => {
    const { code, stdout, stderr } = await tablewalk(['why', capture, ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^tablewalk: .*\n$/);
    expect(stderr).toContain(says);
  });
});
