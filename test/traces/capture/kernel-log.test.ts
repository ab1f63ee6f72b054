import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventKind, UNKNOWN } from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures, readText } from './read-events.ts';

const read = (text: string): Promise<ReadBack> => readCaptures(['-'], { stdin: chunksOf(text) });
const U = UNKNOWN;
const R = 1;
const W = 2;

/** Lines as people posted them: stream, IOVA, direction, address space, device. */
const FAULTS: readonly (readonly [string, string, readonly [number, number, number, number, string]])[] = [
  [
    'arm-smmu-v3, words only',
    `arm-smmu-v3 490d0000.iommu: event 0x10 received:
arm-smmu-v3 490d0000.iommu: \t0x0000001100000010
arm-smmu-v3 490d0000.iommu: \t0x0000020a00000000
arm-smmu-v3 490d0000.iommu: \t0x000000009b0cc000
arm-smmu-v3 490d0000.iommu: \t0x0000000000000000`,
    [0x11, 0x9b0cc000, R, U, ''],
  ],
  [
    'arm-smmu-v3, words and the decoded line, which is the same fault',
    `arm-smmu-v3 arm-smmu-v3.5.auto: event 0x10 received:
arm-smmu-v3 arm-smmu-v3.5.auto: \t0x0002060000000010
arm-smmu-v3 arm-smmu-v3.5.auto: \t0x0000020000000000
arm-smmu-v3 arm-smmu-v3.5.auto: \t0x00000000ff9bc000
arm-smmu-v3 arm-smmu-v3.5.auto: \t0x0000000000000000
arm-smmu-v3 arm-smmu-v3.5.auto: event: F_TRANSLATION client: 0001:06:00.0 sid: 0x20600 ssid: 0x0 iova: 0xff9bc000 ipa: 0x0
arm-smmu-v3 arm-smmu-v3.5.auto: unpriv data write s1 "Input address caused fault" stag: 0x0`,
    [0x20600, 0xff9bc000, W, U, ''],
  ],
  [
    'arm-smmu-v3, the decoded line alone',
    'arm-smmu-v3 fc900000.iommu: event: F_TRANSLATION client: 0002:21:00.0 sid: 0x2100 ssid: 0x0 iova: 0x1000 ipa: 0x0',
    [0x2100, 0x1000, U, U, '0002:21:00.0'],
  ],
  [
    'arm-smmu-v3, a bad StreamID, which has no address',
    `arm-smmu-v3 arm-smmu-v3.0.auto: event 0x02 received:
arm-smmu-v3 arm-smmu-v3.0.auto: 0x0000090000000002
arm-smmu-v3 arm-smmu-v3.0.auto: 0x0000000000000000
arm-smmu-v3 arm-smmu-v3.0.auto: 0x0000000000000000
arm-smmu-v3 arm-smmu-v3.0.auto: 0x0000000000000000`,
    [0x900, U, W, U, ''],
  ],
  [
    'arm-smmu-v3 with lines of others in between, and quoted',
    `> [   12.1] arm-smmu-v3 9050000.smmuv3: event 0x10 received:
> [   12.1] virtio_blk virtio0: something else 0x12
> [   12.1] arm-smmu-v3 9050000.smmuv3: 0x0000020000000010
> [   12.1] arm-smmu-v3 9050000.smmuv3: 0x0000020000000000
> random: crng init done
> [   12.1] arm-smmu-v3 9050000.smmuv3: 0x0000000000001000
> [   12.1] arm-smmu-v3 9050000.smmuv3: 0x0000000000000000`,
    [0x200, 0x1000, W, U, ''],
  ],
  [
    'Xen, SMMUv3',
    `(XEN) SMMUv3: /smmuv3@9050000: event 0x10 received:
(XEN) SMMUv3: /smmuv3@9050000: 0x0000000800000010
(XEN) SMMUv3: /smmuv3@9050000: 0x0000008000000000
(XEN) SMMUv3: /smmuv3@9050000: 0x0000000008090040
(XEN) SMMUv3: /smmuv3@9050000: 0x0000000000000000`,
    [8, 0x8090040, W, U, ''],
  ],
  [
    'arm-smmu, with the decoded lines of newer kernels',
    `arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x00001000, fsynr=0x3d0023, cbfrsynra=0x1c00, cb=13
arm-smmu 15000000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x1c00
arm-smmu 15000000.iommu: FSYNR0 = 003d0023 [S1CBNDX=61 PNU PLVL=3]`,
    [0x1c00, 0x1000, R, U, ''],
  ],
  [
    'arm-smmu, old, without cbfrsynra (Xen too)',
    '(XEN) smmu: /axi/smmu@fd800000: Unhandled context fault: fsr=0x402, iova=0xf9030040, fsynr=0x12, cb=0',
    [U, 0xf9030040, W, U, ''],
  ],
  [
    'arm-smmu, a blocked stream and its registers',
    `arm-smmu 12000000.iommu: Blocked unknown Stream ID 0x809; boot with "arm-smmu.disable_bypass=0" to allow, but this may have security implications
arm-smmu 12000000.iommu: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000809, GFSYNR2 0x00000000`,
    [0x809, U, U, U, ''],
  ],
  [
    'panfrost',
    `panfrost 1800000.gpu: Unhandled Page fault in AS0 at VA 0x0000000002400400
Reason: TODO
raw fault status: 0x800002C1`,
    [U, 0x2400400, U, 0, '1800000.gpu'],
  ],
  [
    'panthor',
    'panthor 48000000.gpu: [drm] *ERROR* Unhandled Page fault in AS0 at VA 0x0000000000001000',
    [U, 0x1000, U, 0, '48000000.gpu'],
  ],
  [
    'kbase',
    'mali fb000000.gpu: Unhandled Page fault in AS1 at VA 0x00007FE0DA65CB80',
    [U, 0x7fe0da65cb80, U, 1, 'fb000000.gpu'],
  ],
  [
    'lima',
    'lima 1c40000.gpu: mmu page fault at 0x121020 from bus id 0 of type read on ppmmu0',
    [U, 0x121020, R, U, '1c40000.gpu'],
  ],
  [
    'adreno',
    '*** gpu fault: ttbr0=0000000101fd5000 iova=0000000001074000 dir=WRITE type=PERMISSION source=1f030000 (0,0,0,0)',
    [U, 0x1074000, W, U, ''],
  ],
  ['msm, old', '*** gpu fault: iova=0000000001074000, flags=1', [U, 0x1074000, U, U, '']],
  [
    'kbase, on the bus',
    'mali fb000000.gpu: GPU bus fault in AS1 at PA 0x0000000000001000',
    [U, U, U, 1, 'fb000000.gpu'],
  ],
  ['ipmmu', 'ipmmu-vmsa eed40000.iommu: Unhandled fault: status 0x00001502 iova 0xfe000000', [U, 0xfe000000, U, U, '']],
  ['rockchip', 'rk_iommu fe043e00.iommu: Page fault at 0x00000000ff801000 of type read', [U, 0xff801000, R, U, '']],
  [
    'exynos',
    'exynos-sysmmu 14640000.sysmmu: 14400000.fimd: PAGE FAULT occurred at 0x20000000',
    [U, 0x20000000, U, U, '14400000.fimd'],
  ],
];

describe("a fault in the kernel's log", () => {
  it.each(FAULTS)('%s is one fault event', async (_, text, [stream, iova, prot, asid, device]) => {
    const fronts = [
      (line: string) => `[   22.420782] ${line}`,
      (line: string) => `Nov 27 05:04:45 board kernel: ${line}`,
      (line: string) => `<3>[  22.420782][   T12] ${line}`,
      (line: string) => `[   22.420782 <    0.000010>] ${line}`,
      (line: string) => `3,77,22420782,-;${line}`,
      (line: string) =>
        JSON.stringify({ _BOOT_ID: 'a', __MONOTONIC_TIMESTAMP: '22420782', MESSAGE: line, PRIORITY: '3' }),
      (line: string) => `__MONOTONIC_TIMESTAMP=22420782\nMESSAGE=${line}\n`,
      (line: string) => `[Fri Nov 27 05:04:45 2026] ${line}`,
    ];
    for (const front of fronts) {
      const { events, stats, devices } = await read(
        `[    0.000000] Booting Linux on physical CPU 0x0\n${text.split('\n').map(front).join('\n')}\n`,
      );
      expect(events.map(({ kind }) => kind)).toEqual([EventKind.FAULT]);
      expect(events[0]).toMatchObject({ stream, iova, prot, asid });
      expect(devices.name(events[0]?.device ?? -1)).toBe(device);
      expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
      expect(stats.damaged).toBe(0);
      expect(events[0]?.time).toBe(/22.?420782/.test(front('')) ? 22.420782 : 0);
    }
  });

  it('that comes again is another one', async () => {
    for (const [, text] of FAULTS) expect((await read(`${text}\n`.repeat(3))).stats.byKind[EventKind.FAULT]).toBe(3);
  });

  it('has the time of its line', async () => {
    const { events } = await readCaptures(['test/vectors/captures/vfio-dump.dmesg.txt.gz']);
    expect(events).toHaveLength(10);
    expect(events[0]).toMatchObject({
      kind: EventKind.FAULT,
      time: 22.421415,
      stream: 0x40,
      iova: 0x50000000,
      prot: W,
    });
  });

  it('stands beside the trace that a dying kernel writes to its log, which is read', async () => {
    const map = (us: number): string =>
      `[   45.${us}]   dd-419       3d..2. 5081${us}us : map: IOMMU: iova=0x1000 paddr=0x5000 size=4096\n`;
    const fault = `[   45.100000] ${FAULTS[2]?.[1]}\n`;
    const dump = `${fault}[   45.1] Dumping ftrace buffer:\n${map(733_001)}${map(733_002)}`;
    const { events } = await read(dump);
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.FAULT, EventKind.MAP, EventKind.MAP]);
    expect(events[2]).toMatchObject({ pid: 419, cpu: 3, time: 5081.733002 });
    const late = await read('[    1.000000] booting\n'.repeat(3000) + dump);
    expect(late.stats).toMatchObject({ events: 1, foreignLines: 2 });
  });

  it('also between the lines of a trace', () => {
    const trace = '  dd-1 [000] ..... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x5000 size=4096\n';
    const line =
      'arm-smmu 5000000.iommu: Unhandled context fault: fsr=0x402, iova=0xbbfff800, fsynr=0x3e0021, cbfrsynra=0x828, cb=9\n';
    const { events, stats } = readText(trace + line + trace);
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.MAP, EventKind.FAULT, EventKind.MAP]);
    expect(stats.damaged).toBe(0);
  });
});

describe("a GPU driver's debug lines", () => {
  it('are maps and unmaps, one domain for each address space', async () => {
    const { events, stats } = await read(
      `[    5.000001] panthor fb000000.gpu: [drm:panthor_vm_map_pages [panthor]] map: as=1, iova=7fffff000000, paddr=0x0000000123456000, len=200000
[    5.000002] panfrost ffe40000.gpu: map: as=3, iova=2400000, paddr=12345000, len=1000
[    5.000003] panthor fb000000.gpu: [drm:panthor_vm_unmap_pages [panthor]] unmap: as=1, iova=7fffff000000, len=200000
`,
    );
    expect(events.map((e) => [e.kind, e.domain, e.iova, e.pa, e.size])).toEqual([
      [EventKind.MAP, 0, 0x7fffff000000, 0x123456000, 0x200000],
      [EventKind.MAP, 1, 0x2400000, 0x12345000, 0x1000],
      [EventKind.UNMAP, 0, 0x7fffff000000, U, 0x200000],
    ]);
    expect(stats).toMatchObject({ maps: 2, unmaps: 1, damaged: 0 });
  });

  it('in a trace likewise, with the time and CPU of the trace', () => {
    const { events, stats } = readText(
      `   vkcube-77      [003] .....    12.000001: panthor_vm_map_pages: map: as=0, iova=24000, paddr=0x0000000000012000, len=1000
   vkcube-77      [003] .....    12.000002: unmap: as=0, iova=24000, len=1000
`,
    );
    expect(events.map((e) => [e.kind, e.time, e.cpu, e.pid, e.domain, e.iova, e.size])).toEqual([
      [EventKind.MAP, 12.000001, 3, 77, 0, 0x24000, 0x1000],
      [EventKind.UNMAP, 12.000002, 3, 77, 0, 0x24000, 0x1000],
    ]);
    expect(stats.damaged).toBe(0);
  });

  it('that cannot be are damage', async () => {
    const { stats } = await read(
      '[ 1.000000] x: map: as=0, iova=1000, paddr=2000, len=0\n[ 1.000000] x: map: as=0, iova=1000, paddr=2000, len=1000\n',
    );
    expect(stats).toMatchObject({ damaged: 1, maps: 1 });
    expect(stats.damage[0]).toMatchObject({ line: 1, reason: 'size is 0' });
  });
});

describe('the VM log of an msm devcoredump', () => {
  it('is maps and unmaps of one domain for each log, whose physical addresses are made up', async () => {
    const { events, stats } = await read(
      `vm-log:
  - map:0: 0x0000000100000000-0x0000000100010000
  - unmap:3: 0x0000000100000000-0x0000000100010000
other:
vm-log:
  - map:1: 0x0000000000001000-0x0000000000002000
`,
    );
    expect(events.map((e) => [e.kind, e.domain, e.iova, e.pa, e.size])).toEqual([
      [EventKind.MAP, 0, 2 ** 32, 2 ** 32, 0x10000],
      [EventKind.UNMAP, 0, 2 ** 32, U, 0x10000],
      [EventKind.MAP, 1, 0x1000, 0x1000, 0x1000],
    ]);
    expect(stats).toMatchObject({ withoutAddress: 2, damaged: 0 });
  });
});

it('any text at all is read without losing count', async () => {
  const words = fc.constantFrom(
    ...FAULTS.flatMap(([, text]) => text.split('\n')),
    '[    1.000000] vm-log:',
    '  - map:0: 0x0-0xffffffffffffffff',
    '[ 1.000000] map: as=0, iova=ffffffffffffffffff, paddr=1, len=1',
    '\0\0',
    'arm-smmu-v3 x: event 0x10 received:',
    '0x0000000000000000',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 99 }),
      async (lines, size) => {
        const bytes = new TextEncoder().encode(`[    0.000000] Linux\n${lines.join('\n')}`);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        );
        const results: unknown[] = [];
        for (const stdin of [chunksOf(bytes), chunksOf(...chunks)]) {
          results.push(
            await readCaptures(['-'], { stdin }).then(
              ({ events, stats }) => {
                expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
                return [events, { ...stats }];
              },
              (error: unknown) => String(error),
            ),
          );
        }
        expect(results[1]).toEqual(results[0]);
      },
    ),
    { numRuns: 100, seed: 11 },
  );
});
