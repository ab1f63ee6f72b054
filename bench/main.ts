/**
 * `npm run bench`: every benchmark, group by group. `npm run bench -- page-table mmu` runs only the groups so named, and
 * `npm run bench -- --list` prints the names. `npm run bench -- readers CAPTURE...` measures the readers with captures of yours.
 */
import { existsSync } from 'node:fs';
import { printDomainScores } from './domains/index.ts';
import { printGrowth } from './growth.ts';
import { printGroup } from './harness.ts';
import { memoryBenchmarks } from './memory.ts';
import { printMissCurveCost } from './miss-curve.ts';
import { heapGrowth, mmuBenchmarks } from './mmu.ts';
import { printOutputs } from './outputs/index.ts';
import { pageTableBenchmarks, pageTableMachineBenchmarks } from './page-table/index.ts';
import { printReaders } from './readers.ts';
import { traceBenchmarks } from './trace-parse.ts';
import { v7sBenchmarks } from './v7s.ts';

/** Groups by the name that selects them. */
const GROUPS: Readonly<Record<string, () => void | Promise<void>>> = {
  'page-table': () => printGroup('Page-table software (reference: Linux 6.12, native)', pageTableBenchmarks()),
  // Apart from the group above: a second kind of memory makes the editor's code polymorphic.
  'page-table-machine': () =>
    printGroup(
      'Page-table software on a whole machine (CPU cache, page allocator, DMA API)',
      pageTableMachineBenchmarks(),
    ),
  v7s: () => printGroup('Page-table software, short descriptors', v7sBenchmarks()),
  memory: () => printGroup('Memory, bus and page allocator', memoryBenchmarks()),
  'trace-parse': () => printGroup('Captures', traceBenchmarks()),
  readers: () => printReaders(captures),
  outputs: printOutputs,
  domains: printDomainScores,
  'miss-curve': printMissCurveCost,
  growth: printGrowth,
  mmu: () => {
    printGroup('Translation, preset gem5', mmuBenchmarks());
    console.log(`\nheap growth over 10 million translations: ${heapGrowth()} bytes`);
  },
};

const given = process.argv.slice(2);
/** What follows a group `readers` and is a file. */
const captures = given.includes('readers') ? given.filter((name) => existsSync(name) && !(name in GROUPS)) : [];
const asked = given.filter((name) => !captures.includes(name));
const names = Object.keys(GROUPS);
const unknown = asked.filter((name) => name !== '--list' && !names.includes(name));
if (asked.includes('--list')) {
  console.log(names.join('\n'));
} else if (unknown.length > 0) {
  console.error(`bench: found ${unknown.join(', ')}, allowed: ${names.join(', ')}`);
  process.exitCode = 2;
} else {
  for (const name of asked.length === 0 ? names : asked) await GROUPS[name]?.();
}
