import { describe, expect, it } from 'vitest';
import { EventKind } from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures } from './read-events.ts';

const read = (text: string): Promise<ReadBack> => readCaptures(['-'], { stdin: chunksOf(text) });

const CALLS = [
  'iommu:map: IOMMU: iova=0x00000000fffd8000 - 0x00000000fffda000 paddr=0x000000005abae000 size=8192',
  'iommu:unmap: IOMMU: iova=0x00000000fffd8000 - 0x00000000fffda000 size=8192 unmapped_size=8192',
];

/** What `perf script -F ...` and `trace-cmd report -l -R` leave in front of an event, and what is to be known of it then. */
const FRONTS: readonly [front: string, known: { pid: number; cpu: number; time: number }][] = [
  ['              dd   467   100.425470:   ', { pid: 467, cpu: -1, time: 100.42547 }],
  ['              dd   466/467   100.425470:   ', { pid: 467, cpu: -1, time: 100.42547 }],
  ['   100.425470:   ', { pid: -1, cpu: -1, time: 100.42547 }],
  ['  ', { pid: -1, cpu: -1, time: 0 }],
  ['              dd   ', { pid: -1, cpu: -1, time: 0 }],
  ['[003]   100.425470:          1   ', { pid: -1, cpu: 3, time: 100.42547 }],
  ['              dd [003]          1   ', { pid: -1, cpu: 3, time: 0 }],
  ['              dd [003]   ', { pid: -1, cpu: 3, time: 0 }],
  ['   kworker/u8:1+e   467 [003] K       100.425470:   ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['              dd   467/467   [003]   100.425470:          1   ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['trace.txt:12:              dd-467   [003]   100.425470: ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['12:              dd-467   [003]   100.425470: ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['      dd-467     3-0x10    100.425470: ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['[   12.345678]              dd-467   [003]   100.425470: ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['   1.5: [7] 8/9   467 [003]   100.425470:   ', { pid: 467, cpu: 3, time: 100.42547 }],
  ['Nov 27 10:00:01 host kernel:    dd   467 [003]   100.425470: ', { pid: 467, cpu: 3, time: 100.42547 }],
];

describe('the front of a trace line', () => {
  it.each(FRONTS)('%j', async (front, known) => {
    const text = CALLS.map((call) => `${front}${call}\n`).join('');
    const { events, stats } = await read(text);
    expect(stats).toMatchObject({ lines: 2, damaged: 0, ignored: 0 });
    expect(events.map(({ kind }) => kind)).toEqual([EventKind.MAP, EventKind.UNMAP]);
    expect(events[1]).toMatchObject({ ...known, iova: 0xfffd8000, size: 8192, unmappedSize: 8192 });
  });

  it('is not made up where nothing in it is understood', async () => {
    const { stats } = await read(`Hello there ${CALLS[0]}\n   100.425470: ${CALLS[0]}\n`);
    expect(stats).toMatchObject({ maps: 1, damaged: 1 });
  });
});

/** What the function graph tracer prints in front of an event, which is a comment among the functions. */
const GRAPHS: readonly [front: string, known: { pid: number; cpu: number; time: number }][] = [
  [' 3)               |  ', { pid: -1, cpu: 3, time: 0 }],
  ['  100.425470 |   3)  kworker/u8:1-467  |               |    ', { pid: 467, cpu: 3, time: 100.42547 }],
  [' 3)   0.291 us    |  dd-467  | d..1. |   1.250 us    |  ', { pid: 467, cpu: 3, time: 0 }],
  ['               |  ', { pid: -1, cpu: -1, time: 0 }],
];

describe('an event in a function graph', () => {
  it.each(GRAPHS)('%j', async (front, known) => {
    const functions = ' 0)   0.291 us    |    arm_lpae_map_pages();\n 0)               |  /* a note: 5 */\n';
    const { events, stats } = await read(CALLS.map((call) => `${functions}${front}/* ${call.slice(6)} */\n`).join(''));
    expect(stats).toMatchObject({ maps: 1, unmaps: 1, damaged: 0 });
    expect(events[1]).toMatchObject({ ...known, iova: 0xfffd8000, size: 8192, unmappedSize: 8192 });
  });
});

describe('two files in one', () => {
  it('are told of: a trace in the log of an IOMMU, and binary data in a text', async () => {
    const log =
      '14467@1795245982.365884:smmuv3_translate_success mr sid=0x10 iova=0x1000 translated=0x2000 perm=0x3 stage=1\n';
    const mixed = await read(`${log.repeat(3)}dd-467   [003]   100.425470: ${CALLS[0]}\n`);
    expect(mixed.stats).toMatchObject({ foreignLines: 1, damaged: 0, ignored: 1 });
    const text = `   100.425470: ${CALLS[0]}\n${' '.repeat(5000)}\n\u0017\u0008\u0044tracing\u0001\n`;
    const { stats } = await read(text);
    expect(stats).toMatchObject({ maps: 1, foreignLines: 1, ignored: 2 });
  });
});

describe('control bytes in a device name', () => {
  it.each(['\u001B]0;title\u0007', '\u0001', '\u007F', '\t'])('end a line like any other: %j', async (name) => {
    const front = '              dd-467     [000] d....   100.425470: ';
    const dma = `${front}dma_map_page: ${name} dir=TO_DEVICE dma_addr=fff20000 size=4096 phys_addr=10ff20000 attrs=\n`;
    const attach = `${front}attach_device_to_domain: IOMMU: device=${name}\n`;
    const { stats } = await read(`${dma}${attach}${front}${CALLS[0]}\n`);
    expect(stats).toMatchObject({ lines: 3, maps: 1 });
    expect(stats.events + stats.damaged + stats.ignored).toBe(3);
  });
});
