import type { Lesson, Seen } from '../model/index.ts';

const PAGES = 'map 0x40000000 0x80001000 128K rw';

/** Which caches of the last access had it. */
function hits({ world }: Seen): string[] {
  const events = world.lastAccess?.events ?? [];
  return events.flatMap((event) => (event.kind === 'lookup' && event.hit ? [event.cache] : []));
}

/** Reach, sets, huge pages, and the walk cache. */
export const TLB: Lesson = {
  id: 'tlb',
  title: 'The TLB: reach, sets, huge pages; the walk cache',
  start: { lines: [PAGES, 'touch 0x40000000'], address: '0x40000000' },
  steps: [
    {
      text: 'The micro-TLB beside the device has four entries, the main TLB sixteen, in four sets of four ways. The number of the page chooses the set: its lowest bits. The underlined cells are where a lookup of the address looks.',
      task: 'Push the first page out of the micro-TLB: touch 0x4000_1000, 0x4000_2000, 0x4000_3000 and 0x4000_4000, then 0x4000_0000 again. The main TLB still has it.',
      goal: (seen) => seen.world.lastAccess?.iova === '0x40000000' && hits(seen).join() === 'main TLB',
      solution: ['touch 0x40001000', 'touch 0x40002000', 'touch 0x40003000', 'touch 0x40004000', 'touch 0x40000000'],
    },
    {
      text: 'Sixteen entries of 4 KiB reach 64 KiB: more than that in use, and something is pushed out all the time. But it can go wrong much earlier. Pages whose numbers are alike in their lowest bits share a set.',
      task: 'Push the first page out of the main TLB with four other pages: every fourth one, 0x4000_4000, 0x4000_8000, 0x4000_c000, 0x4001_0000; then touch it.',
      start: { lines: [PAGES, 'touch 0x40000000'], address: '0x40000000' },
      goal: (seen) => {
        const story = seen.world.lastAccess;
        return story?.iova === '0x40000000' && story.reads === 1 && seen.world.done.length <= 8;
      },
      solution: ['touch 0x40004000', 'touch 0x40008000', 'touch 0x4000c000', 'touch 0x40010000', 'touch 0x40000000'],
    },
    {
      text: 'A miss, with most of the TLB empty. It cost one read only, as the walk cache knows the level 3 table. A 2 MiB block is one entry, too: the same sixteen entries then reach 32 MiB.',
      task: 'Map 2 MiB at 0x4020_0000 to 0x8040_0000, touch its beginning, and then its end (0x403f_f000) without a walk.',
      goal: ({ world }) =>
        world.lastAccess?.iova === '0x403ff000' && world.lastAccess.reads === 0 && world.lastAccess.pa !== null,
      solution: ['map 0x40200000 0x80400000 2M rw', 'touch 0x40200000', 'touch 0x403ff000'],
    },
    {
      text: 'The walk cache holds addresses of tables. When a table is freed, its entry has to go first: else the walker reads memory that belongs to somebody else by now. Here the driver has a bug: it forgets that.',
      task: 'Unmap all of 0x4000_0000, 2M (its table is freed then), and touch 0x4000_0000.',
      start: {
        settings: { bugs: 'skip-walk-flush' },
        lines: ['map 0x40000000 0x80001000 2M rw', 'touch 0x40000000'],
        address: '0x40000000',
      },
      goal: ({ world }) => world.found('use-after-free-walk'),
      solution: ['unmap 0x40000000 2M', 'touch 0x40000000'],
    },
  ],
};

/** See a stale translation serve a read. */
export const UNMAP: Lesson = {
  id: 'unmap',
  title: 'Unmap, TLBI, SYNC: strict and lazy',
  start: { lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'], address: '0x40000000' },
  steps: [
    {
      text: 'The page is mapped and was used: the TLBs have it. To unmap it, the driver clears the descriptor, and that is not enough. It sends a TLBI, and then a SYNC, and waits until the SYNC says that the TLBI has had its effect everywhere.',
      task: 'Unmap the page and touch it. In the time line: what was sent, and how long was waited?',
      goal: ({ world }) =>
        world.lastAccess?.fault?.level === 3 &&
        world.done.some(({ commands }) => commands.some(([name]) => name === 'SYNC')),
      solution: ['unmap 0x40000000 4K', 'touch 0x40000000'],
    },
    {
      text: 'The wait is most of the price of an unmap. In lazy mode, which Linux takes where devices are trusted, unmaps are gathered in a flush queue: one invalidation of the whole address space serves up to 255 of them, or what came within 10 ms.',
      task: 'This machine is lazy. Unmap the page and touch it.',
      start: {
        settings: { invalidation: 'lazy' },
        lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'],
        address: '0x40000000',
      },
      goal: ({ world }) => world.lastAccess?.stale === true,
      solution: ['unmap 0x40000000 4K', 'touch 0x40000000'],
    },
    {
      text: 'Served, with the old address: the memory may have another owner by now. This is the window of lazy mode. It is open until the flush.',
      task: 'Let the timer run out (wait 20ms), and touch the page.',
      goal: ({ world }) => world.lastAccess?.fault?.level === 3,
      solution: ['wait 20ms', 'touch 0x40000000'],
    },
    {
      text: 'With a bug in the driver a strict machine has such a window as well, and nobody closes it. On hardware nothing would be seen but corrupt data, some time later.',
      task: 'Here an unmap forgets its invalidation. Unmap, touch, and read the findings.',
      start: {
        settings: { bugs: 'skip-invalidate' },
        lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'],
        address: '0x40000000',
      },
      goal: ({ world }) => world.found('missing-invalidation') && world.found('stale-tlb-hit'),
      solution: ['unmap 0x40000000 4K', 'touch 0x40000000'],
    },
  ],
};

/** Two answers for one address. */
export const BREAK_BEFORE_MAKE: Lesson = {
  id: 'break-before-make',
  title: 'Break before make',
  start: { lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'], address: '0x40000000' },
  steps: [
    {
      text: 'The page leads to 0x8000_0000, and the TLBs know. A valid descriptor is now replaced by another valid one, with another output address, in one store.',
      task: 'write 0x40000000 3 0x60000090000e43, then touch the address.',
      goal: ({ world }) => {
        const told = world.lastAccess?.pa ?? null;
        const stands = world.look(0x40000000n)?.pa ?? null;
        return told !== null && stands !== null && told !== stands;
      },
      solution: ['write 0x40000000 3 0x60000090000e43', 'touch 0x40000000'],
    },
    {
      text: 'The tables say 0x9000_0000, the device got 0x8000_0000: two answers at once, and which one it gets is up to the TLB. Some hardware may even find both entries and fault (a TLB conflict), or mix them. The sanitizer names it.',
      task: 'The right way: break (store 0), invalidate the address, make (store the new one). Then touch it.',
      start: { lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'], address: '0x40000000' },
      goal: ({ world }) => world.lastAccess?.pa === '0x90000000' && !world.found('break-before-make'),
      solution: [
        'write 0x40000000 3 0x0',
        'invalidate iova 0x40000000',
        'write 0x40000000 3 0x60000090000e43',
        'touch 0x40000000',
      ],
    },
    {
      text: 'Between break and make the address is mapped by nothing, and a device that uses it then faults. That is the price, and why drivers that cannot stop their device avoid such changes. FEAT_BBM level 1 and 2 permit some of them: another size of the same mapping, never another address.',
      task: 'Is the order make, invalidate (without the break) safe for another output address? Answer yes or no.',
      question: 'Yes or no',
      goal: ({ answer }) => answer === 'no',
      solution: ['answer no'],
    },
  ],
};

/** The walker does not see the CPU's cache. */
export const COHERENCY: Lesson = {
  id: 'coherency',
  title: 'The walker does not see your cache',
  start: {
    settings: { walk: 'non-coherent' },
    lines: ['map 0x40000000 0x80000000 4K rw'],
    address: '0x40000000',
  },
  steps: [
    {
      text: 'On this machine table walks do not snoop. The driver has mapped a page and cleaned the cache lines of all it wrote (dma_sync), so that memory has it. Now the CPU clears the descriptor, and only in its cache.',
      task: 'write 0x40000000 3 0x0, then touch the address.',
      goal: ({ world }) =>
        world.lastAccess?.pa !== null && world.lastAccess !== null && world.look(0x40000000n, 'CPU')?.pa === null,
      solution: ['write 0x40000000 3 0x0', 'touch 0x40000000'],
    },
    {
      text: 'The walk read a descriptor that, for the CPU, is gone: the card says what the CPU has in its cache. No invalidation of a TLB helps as long as memory has the old value.',
      task: 'Clean the line (clean 0x40000000 3), invalidate the address, and touch it: now it faults.',
      goal: ({ world }) => world.lastAccess?.fault?.level === 3,
      solution: ['clean 0x40000000 3', 'invalidate iova 0x40000000', 'touch 0x40000000'],
    },
    {
      text: 'Linux marks a table descriptor whose table is cleaned with a software bit (bit 55): another CPU that finds a table without the mark cleans it itself before it goes on. The mark needs no clean: hardware ignores the bit.\n\nWith a bug in the driver, nothing that it writes reaches memory.',
      task: 'This driver forgets every dma_sync. Map 0x4000_0000 to 0x8000_0000, 4K, and touch it.',
      start: { settings: { walk: 'non-coherent', bugs: 'drop-sync' }, address: '0x40000000' },
      goal: ({ world }) => world.found('stale-walk') && world.lastAccess?.fault?.level === 0,
      solution: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'],
    },
  ],
};

/** What a TLBI names. */
export const OPERANDS: Lesson = {
  id: 'operands',
  title: 'The operands of a TLBI',
  start: {
    lines: ['map 0x40000000 0x80000000 64K rw', 'touch 0x40000000', 'touch 0x40001000', 'touch 0x40002000'],
    address: '0x40000000',
  },
  steps: [
    {
      text: 'A TLBI by address names a page, not a byte: its operand holds the address from bit 12 up, whatever the granule. With 64 KiB pages the lowest four bits of it are zero, and they are still there.',
      task: 'Which number names the page of 0x4000_0000 in a TLBI?',
      question: 'VA >> 12',
      goal: ({ answer }) => answer.replaceAll('_', '') === '0x40000' || answer === '262144',
      solution: ['answer 0x40000'],
    },
    {
      text: 'A TLBI has a Leaf bit. Set, it drops translations, and the walk caches keep their way to the table: right when a page went, and the table stays. Clear, it drops the way as well: needed when the table goes.',
      task: 'Drop 0x4000_0000 with "the address, leaves only" (invalidate iova 0x40000000 leaf): the walk caches stay as they are.',
      goal: ({ world }) =>
        world.done.at(-1)?.line === 'invalidate iova 0x40000000 leaf' &&
        world.held('walk S1L2') === 1 &&
        world.held('main TLB') === 2,
      solution: ['invalidate iova 0x40000000 leaf'],
    },
    {
      text: 'Now without the Leaf bit.',
      task: 'invalidate iova 0x40000000: what is left in the walk caches of stage 1?',
      goal: ({ world }) => world.done.at(-1)?.line === 'invalidate iova 0x40000000' && world.held('walk S1') === 0,
      solution: ['invalidate iova 0x40000000'],
    },
    {
      text: "One TLBI for each page is slow. Range invalidation names a start, TG (the granule), and how many pages there are: in commands of an SMMU (NUM + 1) × 2^SCALE of them. The CPU's own TLBI RVAE counts otherwise: (NUM + 1) × 2^(5 × SCALE + 1). TTL says at which level the leaves are, so that the TLB need not look for other sizes; a wrong TTL drops nothing.",
      task: 'A command of an SMMU has NUM = 3 and SCALE = 2. How many pages?',
      question: 'Pages',
      goal: ({ answer }) => answer === '16',
      solution: ['answer 16'],
    },
    {
      text: 'The driver does all that by itself.',
      task: 'Unmap 0x4000_0000, 16K: how many TLBI does this SMMU need for four pages? It stands in the time line.',
      question: 'TLBI commands',
      goal: ({ world, answer }) => answer === '1' && world.look(0x40003000n)?.pa === null,
      solution: ['unmap 0x40000000 16K', 'answer 1'],
    },
  ],
};
