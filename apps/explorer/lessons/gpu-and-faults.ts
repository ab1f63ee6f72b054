import type { Lesson } from '../model/index.ts';

const PAGES = 'map 0x40000000 0x80001000 128K rw';

/** Regions instead of TLBIs. */
export const MALI: Lesson = {
  id: 'mali',
  title: 'Mali: address spaces, LOCK and FLUSH',
  start: { settings: { mmu: 'mali' }, lines: [PAGES, 'touch 0x40000000'], address: '0x40000000' },
  steps: [
    {
      text: 'A Mali GPU has no queue of commands. It has some eight address spaces (AS), each with registers: TRANSTAB (the table), MEMATTR, LOCKADDR, COMMAND. To change mappings the driver locks a region, changes the tables, and gives the command to flush; accesses to the region wait until then.',
      task: 'Unmap 0x4000_0000, 16K, and look at the time line: how large a region was locked?',
      question: 'KiB locked',
      goal: ({ world, answer }) => world.look(0x40000000n)?.pa === null && answer.replace(/\s*(kib|k)$/, '') === '32',
      solution: ['unmap 0x40000000 16K', 'answer 32'],
    },
    {
      text: '32 KiB for 16: LOCKADDR holds a start and a size that is a power of two, of 32 KiB at least, and the region is aligned to its size.',
      task: 'Unmap 16 KiB at 0x4000_6000: they cross a boundary of 32 KiB. How much is locked?',
      question: 'KiB locked',
      goal: ({ world, answer }) =>
        world.look(0x40006000n)?.pa === null &&
        world.look(0x40009000n)?.pa === null &&
        answer.replace(/\s*(kib|k)$/, '') === '64',
      solution: ['unmap 0x40006000 16K', 'answer 64'],
    },
    {
      text: 'A range that crosses a large boundary locks a lot: 8 KiB around 0x8000_0000 make a region of 4 GiB, and every core that touches any of it waits. The flush of the page tables, moreover, writes back the whole L2 cache on many GPUs, which is most of those cycles.',
      task: 'Touch 0x4001_0000: it is still mapped, was in the region of no unmap, and the first access after the flush walks again.',
      goal: ({ world }) =>
        world.lastAccess?.iova === '0x40010000' && world.lastAccess.pa === '0x80011000' && world.lastAccess.reads > 0,
      solution: ['touch 0x40010000'],
    },
    {
      text: "Descriptors in the legacy mode are Mali's own: no access flag, two bits of permission (read, write), and a block has type 1 at every level, the last one too. In the AArch64 mode, which panthor uses, they are those of VMSAv8-64.",
      task: "What are bits 1:0 of this GPU's page at level 3?",
      question: 'Bits 1:0, as a number',
      goal: ({ answer }) => ['1', '01', '0b01', '0x1'].includes(answer),
      solution: ['answer 1'],
    },
  ],
};

/** Why tables are set aside. */
export const VM_BIND: Lesson = {
  id: 'vm-bind',
  title: 'VM_BIND: why tables are reserved',
  start: { settings: { mmu: 'mali' } },
  steps: [
    {
      text: 'With VM_BIND an application queues maps and unmaps like rendering: they wait for fences, and run when these signal. A job that runs then may need a new table, and memory may be out. To get some, the kernel waits for a GPU job to give its buffers back; that one waits for the map.',
      task: 'Let it happen, with tables that are allocated when they are needed: the line bind page.',
      goal: ({ world }) => world.done.some(({ line, bad }) => line === 'bind page' && bad),
      solution: ['bind page'],
    },
    {
      text: 'The story stands beside the findings: everybody waits for everybody, for ever. No order of locks would have helped; the job must not allocate. So the driver counts, before a job is queued, how many tables it could need in the worst case, and sets them aside while it may still fail. What was not used is given back.',
      task: 'The same with a reservation: bind reserve/page.',
      goal: ({ world }) => world.done.some(({ line, bad }) => line === 'bind reserve/page' && !bad),
      solution: ['bind reserve/page'],
    },
    {
      text: 'Every job is done. How many tables can a map need? With four levels the first one is there; each of the other three may be missing at both ends of the range.',
      task: 'A map of a few pages that crosses no boundary of a table: how many tables at most?',
      question: 'Tables',
      goal: ({ answer }) => answer === '3',
      solution: ['answer 3'],
    },
  ],
};

/** What a fault tells. */
export const FAULTS: Lesson = {
  id: 'faults',
  title: 'Read a fault',
  start: { lines: ['map 0x40000000 0x80000000 16K rw', 'touch 0x40000000'], address: '0x40000000' },
  steps: [
    {
      text: 'A translation fault carries the level at which the walk ended. It says how far the address was from anything that is mapped.',
      task: 'Touch 0x8_1234_5000, an address that looks like a physical one above 4 GiB. At which level does it fault?',
      goal: ({ world }) => world.lastAccess?.iova === '0x812345000' && world.lastAccess.fault?.level === 1,
      solution: ['touch 0x812345000'],
    },
    {
      text: "Level 0 or 1: nothing is mapped within a GiB. That is no page that was unmapped a moment ago. Rather a physical address that was given to the device without the DMA API, another device's address space, or garbage.",
      task: 'Now run past the end of the buffer by one: touch 0x4000_4000.',
      goal: ({ world }) => world.lastAccess?.iova === '0x40004000' && world.lastAccess.fault?.level === 3,
      solution: ['touch 0x40004000'],
    },
    {
      text: 'Level 3: the table is there, its neighbours are mapped, this page alone is not. An overrun by one has the address just behind a buffer; "unmapped too early" looks the same, and the capture of maps and unmaps tells them apart (tablewalk why).',
      task: 'Touch 0x0, as a device does whose descriptor was never filled in. Paste into the register view: arm-smmu-v3 3.smmu: event 0x10 ..., or any fault line of yours, to have it decoded.',
      goal: ({ world }) => world.lastAccess?.iova === '0x0' && world.lastAccess.fault !== null,
      solution: ['touch 0x0'],
    },
    {
      text: "An address in the first page is a null pointer, whatever the level. One more that can be told by its address: message-signalled interrupts are writes to a doorbell page, at offset 0x040. If such a write faults, the interrupt controller's page is not mapped for that device.",
      task: 'A device faults when it writes to 0x0809_0040, again and again, and its interrupts never come. What is at offset 0x040 of that page? One word.',
      question: 'It is the',
      goal: ({ answer }) => /doorbell|gits_translater|translater/.test(answer),
      solution: ['answer doorbell'],
    },
  ],
};
