import type { Lesson } from '../model/index.ts';

/** An address is indexes and an offset. */
export const SPLIT: Lesson = {
  id: 'split',
  title: 'An address is indexes and an offset',
  start: { address: '0x7f3a4c215a80' },
  steps: [
    {
      text: 'The bits at the top of the page are one input address. The hardware never treats it as a number: it cuts it into one index for each level of tables, and an offset that goes through untouched. With 4 KiB pages an offset has 12 bits, and a table of 4 KiB holds 512 descriptors of 8 bytes, so that every index has 9.',
      task: 'Which entry of the level 2 table does this address use? Read it off the ruler, or count: bits 29:21.',
      question: 'Entry of the level 2 table',
      goal: ({ answer }) => answer === '97' || answer === '0x61',
      solution: ['answer 97'],
    },
    {
      text: 'Click a bit and it changes. Change a bit of the offset and no walk differs; change one of an index and another descriptor is read from that level on down.',
      task: 'Change the address so that it uses entry 98 of the level 2 table and everything above stays.',
      goal: ({ world }) => world.address >> 30n === 0x7f3a4c215a80n >> 30n && ((world.address >> 21n) & 511n) === 98n,
      solution: ['address 0x7f3a4c415a80'],
    },
    {
      text: 'A larger granule has a longer offset and larger tables: with 16 KiB, 14 bits of offset and 2,048 entries, so 11 bits an index. 48 bits are then 1 + 11 + 11 + 11 + 14: the first table has only two entries. With 64 KiB it is 6 + 13 + 13 + 16, and the walk begins at level 1: levels are counted from the last one, which is always 3.',
      task: 'Choose the granule whose level 0 table has two entries.',
      goal: ({ world }) => world.settings.granule === '16k',
      solution: ['set granule 16k'],
    },
    {
      text: 'Nothing of the tables tells their size. The walker cuts as the registers say (TG0 and T0SZ of TCR), so that a wrong granule reads other bits of the same address as an index, and finds nothing, or something else.',
      task: 'Choose the granule with which 48 bits need only three levels.',
      goal: ({ world }) => world.settings.granule === '64k',
      solution: ['set granule 64k'],
    },
  ],
};

/** Four reads for one access. */
export const FIRST_WALK: Lesson = {
  id: 'first-walk',
  title: 'The first walk: four reads for one access',
  start: { lines: ['map 0x7f3a4c215000 0x90000000 4K rw'], address: '0x7f3a4c215a80' },
  steps: [
    {
      text: 'The driver has mapped one page. For it there are four tables now, 16 KiB of memory to describe 4 KiB: a chain of one entry each. No TLB knows anything yet.',
      task: 'Let the device read from 0x7f3a_4c21_5a80 (touch).',
      goal: ({ world }) => world.lastAccess?.pa === '0x90000a80' && world.lastAccess.reads === 4,
      solution: ['touch 0x7f3a4c215a80'],
    },
    {
      text: 'Go through the walk with the arrow keys. Each read gives the address of the next table, and its time adds up: reads depend on each other, so that no two can overlap. Nearly all of the access was spent waiting for memory.\n\nWhat a level covers: an entry of level 3 maps 4 KiB, one of level 2 covers 512 of those, 2 MiB; level 1 1 GiB; level 0 512 GiB.',
      task: 'Map the page behind it, 0x7f3a_4c21_6000, to 0x9000_1000, and see how many tables that costs.',
      goal: ({ world }) => {
        const [space] = world.snapshot().spaces;
        return world.look(0x7f3a4c216000n)?.pa === '0x90001000' && space?.trees[0]?.tableCount === 4;
      },
      solution: ['map 0x7f3a4c216000 0x90001000 4K rw'],
    },
    {
      text: 'None: the neighbour stands in the same level 3 table. And the walker remembers the way there (the walk cache), so that the next access reads one descriptor instead of four.',
      task: 'Touch an address in the new page, and see that it takes one read.',
      goal: ({ world }) => {
        const story = world.lastAccess;
        return story?.iova.startsWith('0x7f3a4c216') === true && story.pa !== null && story.reads === 1;
      },
      solution: ['touch 0x7f3a4c216000'],
    },
    {
      text: 'The same address again needs no walk at all: the translation itself is in the TLBs.',
      task: 'Touch the first page once more: no descriptor is read.',
      goal: ({ world }) => {
        const story = world.lastAccess;
        return story?.iova.startsWith('0x7f3a4c215') === true && story.reads === 0 && story.pa !== null;
      },
      solution: ['touch 0x7f3a4c215a80'],
    },
  ],
};

/** T0SZ moves the start level. */
export const START_LEVEL: Lesson = {
  id: 'start-level',
  title: 'T0SZ moves the start level',
  start: { lines: ['map 0x40000000 0x80000000 4K rw'], address: '0x40000000' },
  steps: [
    {
      text: 'T0SZ says how many of the 64 address bits are not translated. 48 bits (T0SZ 16) need levels 0 to 3. With fewer bits the upper indexes are empty, and a level whose index has no bits is not walked.',
      task: 'Choose the largest input size of the list with which the walk begins at level 1.',
      goal: ({ world }) => world.settings.ias === 39,
      solution: ['set ias 39'],
    },
    {
      text: '39 bits are 9 + 9 + 9 + 12: three full levels, one read less for every miss. That is why Linux on many phones used 39-bit addresses.',
      task: 'Now choose 36 bits. How many entries does the first table have?',
      question: 'Entries of the first table',
      goal: ({ world, answer }) => world.settings.ias === 36 && answer === '64',
      solution: ['set ias 36', 'answer 64'],
    },
    {
      text: '36 bits leave 6 bits for level 1: 64 entries, 512 bytes. Such a table need not fill a page: it must be aligned to its own size, and at least to 64 bytes. TTBR has room for such an address, and the memory behind the table belongs to somebody else: the walker takes only as many bits as T0SZ says.',
      task: 'An address with a bit above the input size is refused before any table is read. Touch 0x10_0000_0000 (bit 36).',
      goal: ({ world }) =>
        world.settings.ias === 36 && world.lastAccess?.fault?.level === 0 && world.lastAccess.reads === 0,
      solution: ['touch 0x1000000000'],
    },
    {
      text: 'The fault says level 0, though there is no level 0 here: an address outside the input size is reported so (Arm ARM, translation faults).',
      task: 'Choose 25 bits, the smallest of the list: what is the first level now?',
      question: 'First level',
      goal: ({ world, answer }) => world.settings.ias === 25 && answer === '2',
      solution: ['set ias 25', 'answer 2'],
    },
  ],
};
