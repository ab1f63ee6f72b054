import type { Lesson } from '../model/index.ts';

const GUEST_PAGE = ['map 0x40000000 0x80000000 4K rw', 'map2 0x80000000 0xc0000000 4K rw'];
const TWO_SPACES = [
  'map 0x40000000 0x80000000 4K rw',
  'touch 0x40000000',
  'space 1',
  'map 0x40000000 0x90000000 4K rw',
];

/** IPA, 24 reads, concatenated tables. */
export const NESTING: Lesson = {
  id: 'nesting',
  title: 'Stage 2 and nesting: 24 reads',
  start: { settings: { format: 'nested', caches: 'qemu' }, lines: GUEST_PAGE, address: '0x40000000' },
  steps: [
    {
      text: 'A guest has mapped 0x4000_0000 to 0x8000_0000, and believes that this is memory. It is an intermediate physical address (IPA): the hypervisor has mapped it to 0xc000_0000 in tables of its own, at stage 2. This MMU has a TLB and no other cache.',
      task: 'Touch the address, and count the reads.',
      goal: ({ world }) => world.lastAccess?.reads === 24 && world.lastAccess.pa === '0xc0000000',
      solution: ['touch 0x40000000'],
    },
    {
      text: "The tables of the guest lie in IPAs as well. So each of its four descriptors has to be found through four reads of stage 2 before it can be read, and what comes out once more: 4 × (4 + 1) + 4 = 24. The grid shows it, row by row. If stage 2 says that a guest's table lies in device memory, S2PTW makes that a fault.",
      task: 'Choose other caches: "small" under "more", TLBs. Everything is done again with them: how few reads are left of the first touch?',
      goal: ({ world }) => {
        const { reads = 0, pa = null } = world.lastAccess ?? {};
        return world.settings.caches === 'small' && reads > 0 && reads < 24 && pa === '0xc0000000';
      },
      solution: ['set caches small'],
    },
    {
      text: "Walk caches of stage 2 and the cache of IPAs spare most of it, since the guest's tables lie close together. A fault can now come from either stage, and on the way to a table as well as at the end.",
      task: 'Let the hypervisor take the page away (unmap2 0x80000000 4K), and touch the address. Whose fault is it?',
      goal: ({ world }) => world.lastAccess?.fault?.stage === 2 && world.lastAccess.fault.level === 3,
      solution: ['unmap2 0x80000000 4K', 'touch 0x40000000'],
    },
    {
      text: "The guest's tables are as they were: the hypervisor's driver has to solve it, with the IPA that the fault record carries.\n\nStage 2 may join up to sixteen first-level tables to save a level, and SL0 in VTCR says where to begin. 40 bits of IPA would be a level 0 table with two entries; instead two level 1 tables lie side by side.",
      task: 'Choose 40 bits of IPA. What is the first level of stage 2 now?',
      start: { settings: { format: 'nested', caches: 'qemu' }, lines: GUEST_PAGE, address: '0x40000000' },
      question: 'First level',
      goal: ({ world, answer }) => world.settings.oas === 40 && answer === '1',
      solution: ['set oas 40', 'answer 1'],
    },
  ],
};

/** Whose entry is it? */
export const TAGS: Lesson = {
  id: 'tags',
  title: 'ASID, VMID, global; TTBR0 and TTBR1',
  start: { lines: TWO_SPACES, address: '0x40000000' },
  steps: [
    {
      text: 'Two devices, each with an address space of its own, and both use the address 0x4000_0000. The TLB has an entry of the first one. Every entry carries the ASID of its owner: nothing has to be dropped when another device comes.',
      task: 'Touch 0x4000_0000 from address space 1. Which memory does it reach?',
      goal: ({ world }) => world.space === 1 && world.lastAccess?.pa === '0x90000000',
      solution: ['touch 0x40000000'],
    },
    {
      text: 'Both translations are in the TLB now, told apart by ASID 1 and 2 (nG = 1: not global). A global entry would serve every ASID: right for a kernel that everybody shares, wrong for a device. VMID does the same for virtual machines, one level higher.',
      task: 'Drop everything of address space 0 and nothing else: space 0, invalidate asid.',
      goal: ({ world }) => world.space === 0 && world.held('main TLB') === 1 && world.held('micro-TLB') === 1,
      solution: ['space 0', 'invalidate asid'],
    },
    {
      text: 'A TLBI by address names an ASID. What if the context descriptor, by mistake, carries another one than the driver uses in its commands? Everything works, as long as nothing is unmapped.',
      task: 'This driver has that bug. Unmap 0x4000_0000, 4K, and touch it: there is no mapping, and the device gets through.',
      start: {
        settings: { bugs: 'wrong-asid' },
        lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'],
        address: '0x40000000',
      },
      goal: ({ world }) =>
        world.look(0x40000000n)?.pa === null && world.lastAccess?.pa === '0x80000000' && world.done.length > 2,
      solution: ['unmap 0x40000000 4K', 'touch 0x40000000'],
    },
    {
      text: 'TTBR0 and TTBR1 have nothing to do with stages. They are two tables of the same stage 1: TTBR0 for addresses whose upper bits are all zero, TTBR1 for those whose upper bits are all ones. What lies between belongs to neither, and faults. Stage 2 has one table, VTTBR.',
      task: 'Which register holds the table for 0xffff_8000_0000_0000?',
      start: {
        settings: { mmu: 'smmuv2', format: 'both-halves' },
        lines: ['map 0x40000000 0x80000000 4K rw', 'touch 0x40000000'],
        address: '0x40000000',
      },
      question: 'Register',
      goal: ({ answer }) => answer === 'ttbr1',
      solution: ['answer ttbr1'],
    },
    {
      text: 'Here both tables are there, as an Adreno GPU has them on an SMMUv2: TTBR1 for what the kernel keeps mapped for all, TTBR0 for one process. The indexes of 0xffff_8000_4000_0000 are those of 0x8000_4000_0000: only the highest bits tell the halves apart.',
      task: 'Map 0xffff800040000000 to 0x90000000, 4K, and touch it.',
      goal: ({ world }) => world.lastAccess?.pa === '0x90000000' && world.address > 2n ** 63n,
      solution: ['map 0xffff800040000000 0x90000000 4K rw', 'touch 0xffff800040000000'],
    },
  ],
};
