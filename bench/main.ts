/** `npm run bench`: every benchmark, group by group. */
import { printGroup } from './harness.ts';
import { memoryBenchmarks } from './memory.ts';
import { heapGrowth, mmuBenchmarks } from './mmu.ts';
import { pageTableBenchmarks } from './page-table.ts';
import { traceBenchmarks } from './trace-parse.ts';
import { v7sBenchmarks } from './v7s.ts';

printGroup('Page-table software (reference: Linux 6.12, native)', pageTableBenchmarks());
printGroup('Page-table software, short descriptors', v7sBenchmarks());
printGroup('Memory, bus and page allocator', memoryBenchmarks());
printGroup('Captures', traceBenchmarks());
printGroup('Translation, preset gem5', mmuBenchmarks());
console.log(`\nheap growth over 10 million translations: ${heapGrowth()} bytes`);
