import { describe, expect, it } from 'vitest';
import { EventKind, UNKNOWN } from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures } from './read-events.ts';

/** A line by `pid` on `cpu`. */
const line = (text: string, pid = 1, cpu = 0): string =>
  `  task-${pid}  [${String(cpu).padStart(3, '0')}] ..... 1.000000: ${text}\n`;
const hex = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
const map = (iova: number, size: number): string =>
  `map: IOMMU: iova=${hex(iova)} - ${hex(iova + size)} paddr=${hex(0x8000000)} size=${size}`;
const unmap = (iova: number, size: number): string =>
  `unmap: IOMMU: iova=${hex(iova)} - ${hex(iova + size)} size=${size} unmapped_size=${size}`;
const domMap = (iova: number, size: number): string =>
  `dom_map: (__iommu_map+0x0/0x290) domain=0xffff2ae30bf15640 iova=0x${iova.toString(16)} paddr=0x8000000 size=0x${size.toString(16)} prot=0x7`;
const domUnmap = (iova: number, size: number): string =>
  `dom_unmap: (__iommu_unmap+0x0/0x208) domain=0xffff2ae30bf15640 iova=0x${iova.toString(16)} size=0x${size.toString(16)}`;

const read = (...lines: string[]): Promise<ReadBack> => readCaptures(['-'], { stdin: chunksOf(...lines) });

async function deviceNames(...lines: string[]): Promise<string[]> {
  const { events, devices } = await read(...lines);
  return events.filter((event) => event.kind <= EventKind.UNMAP).map((event) => devices.name(event.device));
}

describe('a dma event names the device of its calls', () => {
  it('of the map before it, although the buffer is smaller than the page and begins inside it', async () => {
    expect(
      await deviceNames(
        line(map(0xffffa000, 4096)),
        line('dma_map_page: 0000:01:00.0 dir=TO_DEVICE dma_addr=ffffa080 size=8 phys_addr=8000080 attrs='),
      ),
    ).toEqual(['0000:01:00.0']);
  });

  it('of every chunk of a scatter list, and not of older maps elsewhere', async () => {
    expect(
      await deviceNames(
        line(map(0xfff00000, 4096)),
        line(map(0xffffa000, 4096)),
        line(map(0xffffb000, 8192)),
        line(
          'dma_map_sg: 0000:01:00.0 dir=TO_DEVICE nents=2/2 ents=2/2 dma_addrs={0xffffa000,0xffffb000} sizes={0x1000,0x2000} phys_addrs={0x1,0x2} attrs=',
        ),
      ),
    ).toEqual(['', '0000:01:00.0', '0000:01:00.0']);
  });

  it('of the unmap just before, where the event tells no IOVA', async () => {
    expect(
      await deviceNames(
        line(unmap(0xffffa000, 4096)),
        line(unmap(0xffffb000, 12288)),
        line('dma_unmap_sg: 0000:01:00.0 dir=TO_DEVICE phys_addrs={0x1,0x2} attrs='),
      ),
    ).toEqual(['', '0000:01:00.0']);
  });

  it('of the unmap that follows, for a coherent buffer', async () => {
    expect(
      await deviceNames(
        line('dma_free: 0000:02:00.0 dir=BIDIRECTIONAL dma_addr=ffffa000 size=512 virt_addr=00000000124c732e attrs='),
        line(unmap(0xffffa000, 4096)),
      ),
    ).toEqual(['0000:02:00.0']);
  });

  it('not of a map on another CPU by another thread', async () => {
    expect(
      await deviceNames(
        line(map(0xffffa000, 4096), 1, 0),
        line(map(0xffffa000, 4096), 2, 1),
        line('dma_map_page: 0000:01:00.0 dir=TO_DEVICE dma_addr=ffffa000 size=4096 phys_addr=8000000 attrs=', 1, 0),
      ),
    ).toEqual(['0000:01:00.0', '']);
  });
});

describe('a run of maps', () => {
  it('is known at its first map, however other threads interleave', async () => {
    const { events } = await read(
      line(map(0x1000, 4096), 1),
      line(map(0x9000, 4096), 2),
      line(map(0x2000, 8192), 1),
      line(map(0x4000, 4096), 1),
      line(map(0x6000, 4096), 1),
    );
    expect(events.map((event) => event.runEnd)).toEqual([0x5000, 0xa000, 0x4000, 0x5000, 0x7000]);
  });
});

describe('a call that is recorded twice', () => {
  it('is one call, also when an interrupt unmaps in the middle of a map', async () => {
    const { events, stats } = await read(
      line(domMap(0x1000, 4096)),
      line(domUnmap(0x2000, 4096)),
      line(unmap(0x2000, 4096)),
      line(map(0x1000, 4096)),
    );
    expect(events.map(({ kind, domain, prot }) => [kind, domain, prot])).toEqual([
      [EventKind.MAP, 0, 7],
      [EventKind.UNMAP, 0, UNKNOWN],
    ]);
    expect(stats.paired).toBe(2);
  });

  it('is one call when the task changed its CPU in between', async () => {
    const { stats } = await read(line(domMap(0x1000, 4096), 1, 0), line(map(0x1000, 4096), 1, 1));
    expect(stats).toMatchObject({ maps: 1, paired: 1 });
  });

  it('is two calls when it happens twice', async () => {
    const { stats } = await read(line(domMap(0x1000, 4096)), line(map(0x1000, 4096)), line(map(0x1000, 4096)));
    expect(stats).toMatchObject({ maps: 2, paired: 1 });
  });
});
