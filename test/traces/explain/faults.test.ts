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

  it('are all that were given: 41 of 41', () => {
    expect(SAMPLES.length).toBe(41);
  });

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
    ['dmesg -T', (line) => `[Fri Nov 27 04:17:31 2026] ${line}`],
    ['dmesg -x', (line) => `kern  :err   : [ 1234.567890] ${line}`],
    ['dmesg --reltime', (line, at) => (at === 0 ? `[Nov27 04:17] ${line}` : `[  +0.000012] ${line}`)],
    ['dmesg --delta', (line) => `[ 1234.567890 <    0.000012>] ${line}`],
    ['dmesg --time-format iso', (line) => `2026-11-27T04:17:31,123456+00:00 ${line}`],
    ['journalctl -o short-precise', (line) => `Nov 27 04:17:31.123456 board-3 kernel: ${line}`],
    ['journalctl -o short-iso', (line) => `2026-11-27T04:17:31+0000 board-3 kernel: ${line}`],
    ['journalctl -o short-full', (line) => `Fri 2026-11-27 04:17:31 UTC board-3 kernel: ${line}`],
    ['journalctl -o short-unix', (line) => `1796012251.123456 board-3 kernel: ${line}`],
    ['journalctl -o short-monotonic', (line) => `[ 1234.567890] board-3 kernel: ${line}`],
    ['a caller', (line) => `[ 1234.567890][  T123] ${line}`],
    ["a vendor's CPU and task", (line) => `[ 1234.567890]  (2)[123:kworker/2:1] ${line}`],
    ["Android's log", (line) => `11-27 04:17:31.123     0     0 E ${line}`],
    ["a terminal's time stamps and colours", (line) => `[04:17:31.123] \u001b[31m${line}\u001b[0m`],
    ['syslog', (line) => `Nov 27 04:17:31 host kernel: [  12.345678] ${line}`],
    ['journal', (line) => `2026-11-27T04:17:31.000001+00:00 host kernel: ${line}`],
    ['log levels', (line) => `<3>${line}`],
    ['bars', (line) => `| ${line}`],
    ['CRLF', (line) => `${line}\r`],
    ['a serial line that returns twice', (line) => `${line}\r\r`],
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

/** Made up after the words that the drivers print: no log of these was given. */
const FORMS: readonly (readonly [string, readonly string[], Record<string, unknown>])[] = [
  [
    'a stalled table fetch of an SMMUv3, with what Linux makes of it',
    [
      'arm-smmu-v3 a.iommu: event 0x10 received:',
      ...['0x0000000400000010', '0x0000110480000007', '0x0000000012345000', '0x0000000880001000'],
      'arm-smmu-v3 a.iommu: event: F_TRANSLATION client: 0000:00:04.0 sid: 0x4 ssid: 0x0 iova: 0x12345000 ipa: 0x880001000',
      'arm-smmu-v3 a.iommu: unpriv inst write s1 "Stage 1 translation table fetch" ttd_read stall stag: 0x7',
    ],
    { source: 'arm-smmu-v3', name: 'F_TRANSLATION', write: true, instruction: true, class: 'TT', suspicions: [] },
  ],
  [
    'a page request that nobody serves',
    [
      'arm-smmu-v3 a.iommu: unexpected PRI request received:',
      'arm-smmu-v3 a.iommu: \tsid 0x00000800.0x00001: [3L] unprivileged RW access at iova 0x0000000080001000',
    ],
    { source: 'arm-smmu-v3', name: 'PRI request', streamId: 0x800, substreamId: 1, write: true, iova: '0x80001000' },
  ],
  [
    'flags in the order in which Linux prints them, which is not that of the bits',
    [
      'arm-smmu a.iommu: Unhandled context fault: fsr=0x8000040a, iova=0x00005000, fsynr=0x3d0033, cbfrsynra=0x1c00, cb=13',
      'arm-smmu a.iommu: FSR    = 8000040a [MULTI Format=2 PF TF], SID=0x1c00',
      'arm-smmu a.iommu: FSYNR0 = 003d0033 [S1CBNDX=61 PNU WNR PLVL=3]',
    ],
    { name: 'TF|PF', privileged: true, write: true, suspicions: ['this page alone is gone'] },
  ],
  [
    'a context fault whose lines mail has wrapped',
    [
      '> arm-smmu a.iommu: Unhandled context fault: fsr=0x402',
      '> ,iova=0x12345000, fsynr=0x100011, cbfrsynra=0x3, cb=6',
      '> arm-smmu a.iommu: FSR    = 00000402 [Format=2 TF],',
      '> SID=0x3',
      '> arm-smmu a.iommu: FSYNR0 = 00100011 [S1CBNDX=16 WNR',
      '> PLVL=1]',
    ],
    { iova: '0x12345000', streamId: 3, level: 1, lines: [1, 2, 3, 4, 5, 6], suspicions: ['nothing mapped near'] },
  ],
  [
    'quoted-printable mail',
    ['arm-smmu a: Unhandled context fault: fsr=3D0x408, iova=3D0x=', '01003000, fsynr=3D0x13, cbfrsynra=3D0x0, cb=3D0'],
    { name: 'PF', iova: '0x1003000', write: true, level: 3, lines: [1] },
  ],
  [
    "the vendor's older order of fields",
    ['arm-smmu a: Unhandled context fault: iova=0x48a01000, cb=3, fsr=0x402, fsynr0=0x50021, fsynr1=0x1'],
    { name: 'TF', iova: '0x48a01000', addressSpace: 3, privileged: true, level: 1 },
  ],
  [
    'an Adreno fault before Linux 5.15',
    ['adreno 5000000.gpu: *** gpu fault: iova=00f00000, flags=1 (0,0,0,0)'],
    { source: 'adreno', name: 'fault', iova: '0xf00000', write: true },
  ],
  [
    'an Adreno fault that a narrow terminal wrapped twice',
    [
      '491.386769] *** gpu fault:ttbr0=00000001e7d67000',
      'iova=00000001033f0000 dir=R',
      'EAD type=TRANSLATION source=CCU (0,0,0,1)',
    ],
    { source: 'adreno', name: 'TRANSLATION', iova: '0x1033f0000', write: false, lines: [1, 2, 3] },
  ],
  [
    'kgsl',
    [
      'kgsl kgsl-3d0: GPU PAGE FAULT: addr = 7FE0000 pid= 5013 name=surfaceflinger',
      'kgsl kgsl-3d0: context=gfx3d_user TTBR0=0x5D0000BE8B8A000 CIDR=0x1E5D0 (write permission fault)',
    ],
    { source: 'adreno', name: 'PERMISSION', iova: '0x7fe0000', write: true, lines: [1, 2] },
  ],
  [
    "a bus fault of the vendor's Mali driver",
    [
      'mali fb000000.gpu: GPU bus fault in AS1 at PA 0x00000000deadb000',
      'raw fault status: 0x210002D1',
      'access type 0x2: READ',
    ],
    { source: 'mali', name: 'TRANSTAB_BUS_FAULT_1', addressSpace: 1, level: 1, write: false, suspicions: [] },
  ],
  [
    'an address space without tables, which has no level',
    ['panfrost a.gpu: Unhandled Page fault in AS0 at VA 0x0000000000100000', 'raw fault status: 0x000002C7'],
    { source: 'panfrost', name: 'TRANSLATION_FAULT_IDENTITY', suspicions: [] },
  ],
  [
    'an IPMMU with two entries',
    ['ipmmu-vmsa a.mmu: TLB multi hits @0x7fe00000'],
    { source: 'ipmmu-vmsa', name: 'MHIT' },
  ],
  [
    'a bus error',
    ['rk_iommu a.iommu: BUS_ERROR occurred at 0x0000000000001000'],
    { source: 'rk_iommu', name: 'BUS_ERROR' },
  ],
  [
    'MediaTek',
    ['mtk-iommu a.iommu: fault type=0x280 iova=0x1fce00000 pa=0x0 master=0x500058c(larb=0 port=3) layer=1 read'],
    { source: 'mtk-iommu', iova: '0x1fce00000', write: false, suspicions: [] },
  ],
  [
    'a Samsung fault whose channel tells the direction',
    ['exynos-sysmmu a.sysmmu: 14400000.fimd: AW PAGE FAULT occurred at 0x20000040'],
    { source: 'exynos-sysmmu', name: 'AW PAGE FAULT', iova: '0x20000040', write: true, suspicions: [] },
  ],
  [
    'a security violation of Tegra, which is no missing mapping',
    ['tegra-mc a.memory-controller: unknown: secure write @0x0000000000000000: VPR violation ((null))'],
    { source: 'tegra', name: 'VPR violation', iova: '0x0', write: true, suspicions: [] },
  ],
  [
    'the tracepoint',
    [
      'irq/24-AMD-Vi-48 [002] .... 978.554289: io_page_fault: IOMMU:[drvname] 0000:05:00.0 iova=0x0000000091482640 flags=0x0000',
    ],
    { source: 'trace', name: 'io_page_fault', iova: '0x91482640', write: false },
  ],
];

describe('what drivers print otherwise', () => {
  it.each(FORMS)('%s', (_, text, fault) => {
    const found = named(text.join('\n'));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject(fault);
  });

  it('has no level where the status tells none', () => {
    const identity = ['panfrost: Unhandled Page fault in AS0 at VA 0x1000', 'raw fault status: 0x000002C7'];
    expect(named(identity.join('\n'))[0]).not.toHaveProperty('level');
  });

  it('is told apart from what is no fault of an IOMMU that is known', () => {
    const others = [
      'Unable to handle kernel paging request at virtual address ffff000012345678',
      'msm_gpu: gpu fault ring 0 fence 2d0 status 00800005 rb 0000/0000',
      'panfrost ff9a0000.gpu: gpu sched timeout, js=1, config=0x7b00, status=0x8',
      'arm-smmu-v3 a.iommu: CMD_SYNC timeout at 0x0000b1b7 [hwprod 0x0000b1c0, hwcons 0x0000b1b7]',
      'DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x0 [fault reason 0x06]',
    ];
    expect(decodeFaults(others.join('\n'))).toEqual([]);
  });

  it('has the keys of the JSON in their order, and none that the log does not tell', () => {
    const [fault] = decodeFaults((FORMS[0]?.[1] ?? []).join('\n'));
    expect(Object.keys(fault === undefined ? {} : faultRecord(fault))).toEqual(
      'source name iova streamId write instruction privileged stage class suspicions lines'.split(' '),
    );
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
