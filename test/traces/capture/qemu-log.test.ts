import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  checkAccesses,
  clockOffset,
  EventKind,
  fileSources,
  InputError,
  LiveMaps,
  MergedEvents,
  RangeLog,
  readAddressList,
  readLogStreams,
  UNKNOWN,
  Verdict,
} from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures } from './read-events.ts';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-qemu-'));
afterAll(() => rmSync(folder, { recursive: true }));
const STRICT = 'test/vectors/captures/qemu-smmu.small-strict.log.gz';
const VFIO = 'test/vectors/captures/qemu-smmu.vfio-dump.log.gz';

const read = (text: string): Promise<ReadBack> => readCaptures(['-'], { stdin: chunksOf(text) });
const AT = '14467@1795245982.365884:';

describe("a log of QEMU's SMMU", () => {
  it('gives translations as accesses, commands as invalidations, and faults', async () => {
    const { events, stats } = await read(
      `qemu-system-aarch64: warning: something else
${AT}smmuv3_translate_success smmuv3-iommu-memory-region-16-3 sid=0x10 iova=0xfffff040 translated=0x8090040 perm=0x3
${AT}smmuv3_s1_range_inval vmid=0 asid=1 addr=0xffffc000 tg=2 num_pages=0x10 ttl=3 leaf=0
${AT}smmuv3_range_inval vmid=0 asid=7 addr=0x1000 tg=1 num_pages=0x1 ttl=0 leaf=1 stage=1
${AT}smmuv3_cmdq_tlbi_nh_asid asid=8
${AT}smmuv3_cmdq_tlbi_nh 
${AT}smmu_iotlb_inv_all IOTLB invalidate all
${AT}smmu_iotlb_lookup_miss IOTLB cache MISS asid=8 addr=0x50000000 hit=78 miss=31 hit rate=71
${AT}smmuv3_record_event SMMU_EVT_F_PERMISSION sid=0x40
${AT}smmuv3_range_inval vmid=1 asid=-1 addr=0x2000 tg=1 num_pages=0x1 ttl=0 leaf=1 stage=2
${AT}smmuv3_cmdq_tlbi_s12_vmid vmid=1
`,
    );
    const rows = events.map((e) => [e.kind, e.stream, e.iova, e.pa, e.size, e.asid, e.prot]);
    const U = UNKNOWN;
    expect(rows).toEqual([
      [EventKind.ACCESS, 0x10, 0xfffff040, 0x8090040, U, U, 3],
      [EventKind.INVALIDATE, U, 0xffffc000, U, 0x40000, 1, 0],
      [EventKind.INVALIDATE, U, 0x1000, U, 0x1000, 7, 1],
      [EventKind.INVALIDATE, U, U, U, U, 8, U],
      [EventKind.INVALIDATE, U, U, U, U, U, U],
      [EventKind.OTHER, U, U, U, U, U, U],
      [EventKind.OTHER, U, U, U, U, U, U],
      [EventKind.FAULT, 0x40, 0x50000000, U, U, U, U],
      [EventKind.INVALIDATE, U, 0x2000, U, 0x1000, U, 1],
      [EventKind.INVALIDATE, U, U, U, U, U, U],
    ]);
    expect(events[0]?.time).toBe(1795245982.365884);
    expect(stats).toMatchObject({ lines: 11, events: 10, damaged: 0, notEvents: 1 });
  });

  it('is read whole, with the counts that grep finds', async () => {
    const { stats } = await readCaptures([VFIO]);
    expect(stats.byKind[EventKind.ACCESS]).toBe(17_232);
    expect(stats.byKind[EventKind.FAULT]).toBe(10_240);
    expect(stats.byKind[EventKind.INVALIDATE]).toBe(4379 + 10 + 1);
    expect(stats.damaged).toBe(0);
  });

  it('damaged anywhere loses no count, and cut anywhere is the same', async () => {
    const text = gunzipSync(readFileSync(STRICT)).toString('latin1').slice(0, 40_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(text.length - 1), fc.constantFrom('\n', '=', 'x', '9', '\0', ' ')), { maxLength: 20 }),
        fc.integer({ min: 1, max: 5000 }),
        async (changes, size) => {
          const bytes = Buffer.from(text, 'latin1');
          for (const [at, char] of changes) if (at > 60) bytes.write(char, at, 'latin1');
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
            bytes.subarray(i * size, (i + 1) * size),
          );
          const cut = await readCaptures(['-'], { stdin: chunksOf(...chunks) });
          const whole = await readCaptures(['-'], { stdin: chunksOf(bytes) });
          expect(cut.events).toEqual(whole.events);
          expect({ ...cut.stats }).toEqual({ ...whole.stats });
          expect(whole.stats.lines).toBe(whole.stats.events + whole.stats.damaged + whole.stats.ignored);
        },
      ),
      { numRuns: 25, seed: 3 },
    );
  });
});

describe('the translations of a log as a list of addresses', () => {
  it('of one stream', () => {
    const list = readAddressList(`${VFIO}#0x40`);
    expect(list.addresses).toHaveLength(451);
    expect(list.upper).toBeNull();
  });

  it('of several streams is refused, with their names', () => {
    expect(() => readAddressList(STRICT)).toThrow(
      /found translations of the streams 0x10, .*allowed: one stream: .*#0x10/,
    );
    expect(() => readAddressList(`${STRICT}#0x999`)).toThrow(/no translations/);
  });
});

describe('a log and the capture of the same run', () => {
  it('are joined by their invalidations, and every translation is right', async () => {
    const [capture, log] = fileSources(['traces/samples/vfio-dump.ftrace.txt.gz', VFIO]);
    if (capture === undefined || log === undefined) throw new Error('two sources');
    const result = await checkAccesses(capture, log);
    // Found by other means when the run was recorded.
    expect(Math.abs(result.offset - 1795246803.539056)).toBeLessThan(1e-4);
    expect(result).toMatchObject({ accesses: 17_232, otherAddress: 0, notMapped: 0, wrong: [] });
    expect(result.right + result.after).toBe(17_232);
    expect(result.right).toBeGreaterThan(17_000);
    expect(result.matched).toBeGreaterThan(900);
    expect(result.spread).toBeLessThan(1e-4);
  });

  it('come merged in the order of their times', async () => {
    const [capture, log] = fileSources(['traces/samples/small-strict.ftrace.txt.gz', STRICT]);
    if (capture === undefined || log === undefined) throw new Error('two sources');
    const merged = await MergedEvents.open(capture, log, 1795245983.193598);
    let last = Number.NEGATIVE_INFINITY;
    const kinds = new Set<boolean>();
    while (await merged.next()) {
      expect(merged.event.time).toBeGreaterThanOrEqual(last);
      last = merged.event.time;
      kinds.add(merged.fromLog);
    }
    await merged.close();
    expect(kinds.size).toBe(2);
  });

  it('of lazy mode, or of another run, are refused', () => {
    const unmaps = new RangeLog();
    const invalidations = new RangeLog();
    for (let index = 0; index < 100; index++) unmaps.add(index, index * 4096, 4096);
    expect(() => clockOffset(unmaps, invalidations, 'x.log')).toThrow(InputError);
    for (let index = 0; index < 100; index++) invalidations.add(index, 2 ** 40 + index * 4096, 4096);
    expect(() => clockOffset(unmaps, invalidations, 'x.log')).toThrow(/x\.log: found 100 range invalidations/);
  });

  it('a translation is right only while its mapping lives', () => {
    const live = new LiveMaps(0.002);
    live.map(1, 0x10000, 0x90000, 0x4000, 1);
    live.map(1, 2 ** 30, 2 ** 31, 2 ** 30, 1);
    expect(live.check(0.9985, 0x11010, 0x91010)).toBe(Verdict.RIGHT);
    expect(live.check(0.99, 0x11010, 0x91010)).toBe(Verdict.NOT_MAPPED);
    expect(live.check(1.5, 0x11010, 0x92010)).toBe(Verdict.OTHER_ADDRESS);
    expect(live.check(1.5, 2 ** 30 + 5e8, 2 ** 31 + 5e8)).toBe(Verdict.RIGHT);
    live.unmap(2, 0x11000, 0x1000, 1);
    expect(live.check(2.1, 0x11010, 0x91010)).toBe(Verdict.NOT_MAPPED);
    expect(live.check(2.1, 0x12010, 0x92010)).toBe(Verdict.RIGHT);
    // Another domain's unmap of the same address does not end it.
    live.unmap(3, 0x12000, 0x1000, 2);
    expect(live.check(3.1, 0x12010, 0x92010)).toBe(Verdict.RIGHT);
  });

  it('where domains are not named, an address counts as mapped until all have unmapped it', () => {
    const live = new LiveMaps(0.002);
    live.map(1, 0x10000, 0x90000, 0x1000, UNKNOWN);
    live.map(1, 0x10000, 0xa0000, 0x1000, UNKNOWN);
    live.unmap(2, 0x10000, 0x1000, UNKNOWN);
    expect(live.check(2.5, 0x10000, 0x90000)).toBe(Verdict.RIGHT);
    expect(live.check(2.5, 0x10000, 0xa0000)).toBe(Verdict.RIGHT);
    live.unmap(3, 0x10000, 0x1000, UNKNOWN);
    expect(live.check(3.5, 0x10000, 0xa0000)).toBe(Verdict.NOT_MAPPED);
  });
});

describe('a log alone', () => {
  it('sums up by stream, and every hit, miss, translation and fault is in one sum', () => {
    const { streams, ofNobody, damaged } = readLogStreams(STRICT);
    const lines = gunzipSync(readFileSync(STRICT)).toString().split('\n');
    const counted = (text: string): number => lines.filter((line) => line.includes(text)).length;
    const sum = (key: 'translations' | 'hits' | 'misses' | 'faults'): number =>
      streams.reduce((all, one) => all + one[key], 0);
    expect(sum('translations')).toBe(counted('translate_success'));
    expect(sum('hits')).toBe(counted('lookup_hit'));
    expect(sum('misses')).toBe(counted('lookup_miss'));
    expect([sum('faults'), ofNobody, damaged]).toEqual([0, 0, 0]);
    for (const { stream, translations } of streams) {
      expect(readAddressList(`${STRICT}#${stream}`).addresses.length).toBe(translations);
    }
    // Both have ASID 1, as they share a domain.
    const shared = streams.filter(({ asids }) => asids.includes(1));
    expect(shared.map(({ stream }) => stream)).toEqual([0x10, 0x100]);
    expect(shared[0]?.ranges).toBe(shared[1]?.ranges);
  });

  it('of stage 2, where QEMU prints -1 as the ASID, is no damage', () => {
    const path = join(folder, 'stage-2.log');
    const lines = [
      'smmu_iotlb_lookup_miss IOTLB cache MISS asid=-1 vmid=1 addr=0x1000 hit=0 miss=1 hit rate=0',
      'smmuv3_translate_success m sid=0x8 iova=0x1000 translated=0x40000000 perm=0x3 stage=2',
      'smmuv3_range_inval vmid=1 asid=-1 addr=0x1000 tg=1 num_pages=0x1 ttl=0 leaf=1 stage=2',
      'smmuv3_cmdq_tlbi_s12_vmid vmid=1',
    ];
    writeFileSync(path, lines.map((line) => `${AT}${line}\n`).join(''));
    expect(readLogStreams(path)).toMatchObject({
      streams: [{ stream: 8, translations: 1, misses: 1, asids: [], ranges: 0, addressSpaces: 0 }],
      everything: 1,
      ofNobody: 1,
      damaged: 0,
    });
  });

  it('has the faults of a stream', () => {
    expect(readLogStreams(VFIO).streams.find(({ stream }) => stream === 0x40)).toMatchObject({ faults: 10_240 });
    expect(() => readLogStreams('traces/samples/small-strict.ftrace.txt.gz')).toThrow(InputError);
  });
});

it('a list that is cut in its last line says so', async () => {
  const path = join(folder, 'cut.log');
  writeFileSync(
    path,
    `${AT}smmuv3_translate_success m sid=0x10 iova=0xfffff040 translated=0x8090040 perm=0x3\n${AT}smmuv3_translate_success m sid=0x10 iova=0xffff`,
  );
  const { stats } = await readCaptures([path]);
  expect(stats.damage.map(({ reason }) => reason)).toEqual(['the last line has no line feed and may be cut']);
});
