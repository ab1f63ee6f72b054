import { allocIoPgtable, Gfp, leafSizes, type Machine, newGather, Prot } from '../../../formats/index.ts';

// What the page-table code needs of a system: memory, pages, the DMA API, a place for warnings.
const BASE = 0x8000_0000;
const words = new Uint32Array(2 ** 14);
let next = BASE;
const machine: Machine = {
  memory: {
    words,
    index: (pa) => (pa - BASE) / 4,
    written: (pa, bytes) => console.log(`${bytes} bytes stored at 0x${pa.toString(16)}`),
  },
  pages: {
    alloc: (_cookie, size) => {
      next += size;
      return next - size;
    },
    free: (_cookie, pa) => console.log(`table at 0x${pa.toString(16)} freed`),
  },
  dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
  warn: (code) => console.log(`warning ${code}`),
};

const sizes = leafSizes(12, 48);
const table = allocIoPgtable({ format: 'ARM_64_LPAE_S1', pageSizes: sizes, ias: 39, oas: 48 }, machine, null);
table.mapPages(0x4000_0000, 0x9000_0000, 2 ** 21, 1, Prot.READ | Prot.WRITE, Gfp.KERNEL);
console.log(`0x40001234 is at 0x${table.iovaToPhys(0x4000_1234).toString(16)}`);
table.unmapPages(0x4000_0000, 4096, 1, newGather());
console.log(`${table.liveTables} tables, and 0x40000000 is ${table.iovaToPhys(0x4000_0000) === 0 ? 'gone' : 'there'}`);
