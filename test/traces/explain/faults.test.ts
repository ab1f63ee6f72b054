import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFaults, faultRecord } from '../../../traces/index.ts';

interface Sample {
  readonly id: string;
  /** Lines as people found them in logs. */
  readonly text: readonly string[];
  /** What they say; suspicions by name. */
  readonly faults: readonly Record<string, unknown>[];
}
const SAMPLES: readonly Sample[] = JSON.parse(readFileSync('test/vectors/fault-lines.json', 'utf8'));

const named = (text: string): Record<string, unknown>[] =>
  decodeFaults(text).map((fault) => ({ ...faultRecord(fault), suspicions: fault.suspicions.map(({ name }) => name) }));

describe('fault lines of real logs', () => {
  it.each(SAMPLES.map((sample) => [sample.id, sample] as const))(
    '%s is read as the kernel or the bits say',
    (_, sample) => {
      expect(named(sample.text.join('\n'))).toEqual(sample.faults);
    },
  );

  it('agree with the decoding that the kernel printed beside them, but for the one line that a tool made up', () => {
    const disagreeing = SAMPLES.filter(({ text }) =>
      decodeFaults(text.join('\n')).some(({ suspicions }) =>
        suspicions.some(({ name }) => name === 'decoding disagrees'),
      ),
    );
    expect(disagreeing.map(({ id }) => id)).toEqual(['V3-18']);
  });

  const DRESSINGS: readonly (readonly [string, (line: string, at: number) => string])[] = [
    ['time stamps', (line, at) => `[${(1234.5 + at / 1000).toFixed(6).padStart(12)}] ${line}`],
    ['quoting marks', (line) => `> > ${line}`],
    ['syslog', (line) => `Nov 27 04:17:31 host kernel: [  12.345678] ${line}`],
    ['journal', (line) => `2026-11-27T04:17:31.000001+00:00 host kernel: ${line}`],
    ['log levels', (line) => `<3>${line}`],
    ['bars', (line) => `| ${line}`],
    ['CRLF', (line) => `${line}\r`],
  ];
  it.each(DRESSINGS)('mean the same with %s', (_, dress) => {
    for (const { text, faults } of SAMPLES) expect(named(text.map(dress).join('\n'))).toEqual(faults);
  });
});

describe('a damaged record of an SMMUv3', () => {
  const words = ['0x0000001100000010', '0x0000020a00000000', '0x000000009b0cc000', '0x0000000000000000'];
  const whole = [
    'arm-smmu-v3 490d0000.iommu: event 0x10 received:',
    ...words.map((word) => `arm-smmu-v3 490d0000.iommu: ${word}`),
  ];
  const [intended] = named(whole.join('\n'));

  it('is whole although other lines stand between its words', () => {
    const mixed = whole.flatMap((line) => [line, 'usb 1-1: new high-speed USB device number 2 using xhci-hcd']);
    expect(named(mixed.join('\n'))).toEqual([{ ...intended, lines: [1, 3, 5, 7, 9] }]);
  });

  it('is not mixed up with that of another SMMU between its words', () => {
    const other = whole.map((line) => line.replaceAll('490d0000', '5000000').replace('9b0cc000', '12345000'));
    const mixed = whole.flatMap((line, at) => [line, other[at] ?? '']);
    expect(named(mixed.join('\n')).map(({ iova }) => iova)).toEqual(['0x9b0cc000', '0x12345000']);
  });

  it('tells what its first three words say when the last is lost, and its event when all are', () => {
    expect(named(whole.slice(0, 4).join('\n'))[0]).toMatchObject({ iova: '0x9b0cc000', streamId: 0x11, write: false });
    expect(named(whole[0] ?? '')).toEqual([
      { source: 'arm-smmu-v3', name: 'F_TRANSLATION', suspicions: [], lines: [1] },
    ]);
  });

  it('may have its words on one line, split in halves, or read by a camera', () => {
    const { lines: _, ...same } = intended ?? {};
    for (const text of [
      `event 0x10 received: ${words.join(' ')}`,
      `event 0x10 received:\n${words.map((word) => `${word.slice(0, 10)} ${word.slice(10)}`).join('\n')}`,
      `event 0x10 received:\n${words.map((word) => word.replace('0x', 'Ox').replaceAll('1', 'l')).join('\n')}`,
    ]) {
      expect(named(text)[0]).toMatchObject(same);
    }
  });

  it('says where the kernel and the words disagree', () => {
    const said =
      'arm-smmu-v3 490d0000.iommu: event: F_TRANSLATION client: 0000:01:00.0 sid: 0x12 ssid: 0x0 iova: 0x9b0cc000 ipa: 0x0';
    const manner = 'arm-smmu-v3 490d0000.iommu: unpriv data read s1 "Input address caused fault" stag: 0x0';
    const [fault] = decodeFaults([...whole, said, manner].join('\n'));
    expect(fault?.suspicions.map(({ evidence }) => evidence)).toEqual([
      'the kernel says StreamID 0x12, the words 0x11',
      'the kernel says privileged false, the words true',
    ]);
  });
});

describe('anything at all', () => {
  it('is read without an exception, and text without faults has none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(...SAMPLES.flatMap(({ text }) => text))), { maxLength: 30 }),
        (lines) => {
          for (const fault of decodeFaults(lines.join('\n'))) expect(fault.lines.length).toBeGreaterThan(0);
        },
      ),
    );
    expect(decodeFaults('usb 1-1: new device\nall is well')).toEqual([]);
  });

  it('of great length costs time in proportion', () => {
    const long = `${'event 0x10 received: '.repeat(2000)}${'0x'.repeat(100_000)}`;
    expect(decodeFaults(`${long}\n`.repeat(20)).length).toBe(20);
  });
});
