import type { Lesson, Seen } from '../model/index.ts';

/** The last access ended in a translation fault at a level. */
function faultedAt({ world }: Seen, level: number): boolean {
  const fault = world.lastAccess?.fault ?? null;
  return fault !== null && fault.name === 'translation fault' && fault.level === level;
}

/** `0b11` is a page at level 3 and a table above. */
export const LEAF_OR_TABLE: Lesson = {
  id: 'leaf-or-table',
  title: 'Leaf or table? Two bits decide, and the level',
  start: { lines: ['map 0x40000000 0x80000000 2M rw'], address: '0x40000000' },
  steps: [
    {
      text: 'Two MiB are mapped, and both addresses are multiples of 2 MiB: the driver wrote one block, at level 2. Step to the last read and look at its ruler.',
      task: 'What are bits 1:0 of a block descriptor?',
      question: 'Bits 1:0, as a number',
      goal: ({ answer }) => ['1', '01', '0b01', '0x1'].includes(answer),
      solution: ['answer 1'],
    },
    {
      text: 'With bits 1:0 = 3 the same descriptor at level 2 is the address of a table. The walker believes it, and reads whatever lies at 0x8000_0000 as descriptors.',
      task: 'Store 0x0060000080000e43 into the level 2 entry (a line: write 0x40000000 2 0x60000080000e43), and touch the address.',
      goal: (seen) => faultedAt(seen, 3),
      solution: ['write 0x40000000 2 0x60000080000e43', 'touch 0x40000000'],
    },
    {
      text: 'The walk went on to level 3: there was a zero at 0x8000_0000, and zero is invalid. With other data there it might as well have found a "page". At level 3 the same bits, 3, are a page: there is nothing further down that they could point to.',
      task: 'The other way round: a 4 KiB page whose bits 1:0 are 1. Store 0x0060000080000e41 at level 3 and touch it.',
      start: { lines: ['map 0x40000000 0x80000000 4K rw'], address: '0x40000000' },
      goal: (seen) =>
        faultedAt(seen, 3) &&
        seen.world.look(0x40000000n)?.steps.at(-1)?.kind === 'descriptor' &&
        seen.world.done.some(({ line }) => line.startsWith('write')),
      solution: ['write 0x40000000 3 0x60000080000e41', 'touch 0x40000000'],
    },
    {
      text: 'Reserved, and treated as invalid: level 3 has pages only. Just as little is there a block at level 0 with 4 KiB pages (it would be 512 GiB), nor at level 1 with 16 or 64 KiB pages.',
      task: 'Try it: make the level 0 entry a block (write 0x40000000 0 0x60000080000e41) and touch it.',
      start: { lines: ['map 0x40000000 0x80000000 4K rw'], address: '0x40000000' },
      goal: (seen) => faultedAt(seen, 0),
      solution: ['write 0x40000000 0 0x60000080000e41', 'touch 0x40000000'],
    },
  ],
};

/** AttrIndx points into MAIR. */
export const ATTRIBUTES: Lesson = {
  id: 'attributes',
  title: 'Attributes: an index into MAIR, and what tables may forbid',
  start: { lines: ['map 0x40000000 0x80000000 4K rwc'], address: '0x40000000' },
  steps: [
    {
      text: 'A leaf does not say "cacheable". It has an index of three bits, AttrIndx, and MAIR has eight bytes that say what each index means. The same descriptor means something else under another MAIR: whoever compares dumps has to know it.',
      task: 'This page was mapped with IOMMU_CACHE. Which AttrIndx did the driver choose?',
      question: 'AttrIndx',
      goal: ({ answer }) => answer === '1',
      solution: ['answer 1'],
    },
    {
      text: 'Linux uses 0 for non-cacheable, 1 for write-back and 2 for device memory; paste MAIR=0xf404ff44 into the register view below to see its bytes.',
      task: 'Map registers of a device: 0x4020_0000 to 0x1000_0000, 4K, with the rights rwm (m is IOMMU_MMIO), and look at the index.',
      goal: ({ world }) => {
        const last = world.look(0x40200000n)?.steps.at(-1);
        return last?.kind === 'descriptor' && last.fields.some(({ name, value }) => name === 'attrIndx' && value === 2);
      },
      solution: ['map 0x40200000 0x10000000 4K rwm'],
    },
    {
      text: 'The access flag says whether a page was ever used. A CPU takes a fault to learn of it; a device cannot wait, so that drivers set it from the beginning. If it is 0, the first access faults, though everything else is right.',
      task: 'Clear it: write 0x40000000 3 0x60000080000b47, then touch the page.',
      start: { lines: ['map 0x40000000 0x80000000 4K rwc'], address: '0x40000000' },
      goal: ({ world }) => world.lastAccess?.fault?.name === 'access flag fault',
      solution: ['write 0x40000000 3 0x60000080000b47', 'touch 0x40000000'],
    },
    {
      text: 'Table descriptors have attributes as well, in bits 63:59, but they are others: APTable, XNTable and NSTable only take away, for everything below. They are in no leaf, and a leaf cannot give back what they took.',
      task: 'Forbid writing for a whole GiB: set APTable[1] (bit 62) in the level 1 entry, keeping the rest of it, and let the device write (touch 0x40000000 w).',
      start: { lines: ['map 0x40000000 0x80000000 4K rwc'], address: '0x40000000' },
      goal: ({ world }) => {
        const leaf = world.look(0x40000000n)?.steps.at(-1);
        const writable =
          leaf?.kind === 'descriptor' && leaf.fields.every(({ name, value }) => name !== 'apReadOnly' || value === 0);
        return world.lastAccess?.fault?.name === 'permission fault' && writable;
      },
      solution: ['write 0x40000000 1 0x4000000080208003', 'touch 0x40000000 w'],
    },
  ],
};

/** What unmapping a part of a block does. */
export const BLOCK_SPLIT: Lesson = {
  id: 'block-split',
  title: 'A part of a block goes: three policies',
  start: { lines: ['map 0x40000000 0x80000000 2M rw', 'touch 0x40000000'], address: '0x40001000' },
  steps: [
    {
      text: 'One block maps 2 MiB. To unmap 4 KiB of it there have to be pages. Linux 6.12 makes a table of 512 pages beside it, leaves one out, and puts the table in the place of the block with one store.',
      task: 'Unmap the first 4 KiB, and see what became of the rest.',
      goal: ({ world }) => world.look(0x40000000n)?.pa === null && world.look(0x40001000n)?.pageSize === 4096,
      solution: ['unmap 0x40000000 4K'],
    },
    {
      text: 'One page less, but one table more, and 511 small pages where one entry in the TLB was enough. A device that reads 0x4000_1000 in that moment sees either the block or the table, both with the same answer; but some hardware must not be shown that change without an invalidation in between (break-before-make). That is why later kernels took the split out.',
      task: 'Choose "refuse (later)" under "more", part of a block; start again, and try the same.',
      start: {
        settings: { split: 'refuse' },
        lines: ['map 0x40000000 0x80000000 2M rw', 'touch 0x40000000'],
        address: '0x40001000',
      },
      goal: ({ world }) =>
        world.settings.split === 'refuse' &&
        world.done.at(-1)?.bad === true &&
        world.look(0x40000000n)?.pageSize === 2 ** 21,
      solution: ['unmap 0x40000000 4K'],
    },
    {
      text: 'Nothing happened: whoever wants to unmap parts must have mapped parts. A GPU cannot promise that, because Vulkan applications bind as they like. The panthor driver therefore takes the whole block out, and maps what was left of it anew.',
      task: 'Do it with "unmap and remap": unmap 4 KiB at 0x4000_0000.',
      start: {
        settings: { split: 'unmap-and-remap' },
        lines: ['map 0x40000000 0x80000000 2M rw', 'touch 0x40000000'],
        address: '0x40001000',
      },
      goal: ({ world }) =>
        world.settings.split === 'unmap-and-remap' &&
        world.look(0x40000000n)?.pa === null &&
        world.look(0x40001000n)?.pageSize === 4096,
      solution: ['unmap 0x40000000 4K'],
    },
  ],
};

/** Sixteen entries, one TLB entry. */
export const CONTIGUOUS: Lesson = {
  id: 'contiguous',
  title: 'The contiguous hint: sixteen entries, one TLB entry',
  start: { settings: { contiguous: 'yes' }, lines: ['map 0x40000000 0x80000000 64K rw'], address: '0x40000000' },
  steps: [
    {
      text: '64 KiB of 4 KiB pages are sixteen descriptors. Bit 52 of each says: my fifteen neighbours map the memory beside mine, with the same attributes. The TLB may keep all of them as one entry.',
      task: 'Touch 0x4000_0000, and then the last page, 0x4000_f000: it needs no walk.',
      goal: ({ world }) =>
        world.lastAccess?.iova === '0x4000f000' && world.lastAccess.reads === 0 && world.lastAccess.pa !== null,
      solution: ['touch 0x40000000', 'touch 0x4000f000'],
    },
    {
      text: 'Nothing checks the promise. What breaks it: another address, another attribute, a hole in the run. Before one of the sixteen may change, the hint has to go from all of them, with an invalidation before the new ones are written.',
      task: 'Unmap 0x4000_4000, 4K, and look at what one of its neighbours became: 0x4000_f000 has no hint any more.',
      goal: ({ world }) => {
        const last = world.look(0x4000f000n)?.steps.at(-1);
        const plain =
          last?.kind === 'descriptor' && !last.fields.some(({ name, value }) => name === 'contiguous' && value === 1);
        return world.look(0x40004000n)?.pa === null && plain;
      },
      solution: ['unmap 0x40004000 4K'],
    },
    {
      text: 'A run is aligned to its own size on both sides. Where the IOVA or the physical address begins elsewhere, the hint cannot be given: an allocator that hands out aligned addresses makes TLBs larger.',
      task: 'Map 64 KiB that begin at 0x4010_1000 to 0x8010_1000, touch its first page, and then 0x4010_2000: a walk.',
      goal: ({ world }) =>
        world.lastAccess?.iova === '0x40102000' && world.lastAccess.reads > 0 && world.lastAccess.pa !== null,
      solution: ['map 0x40101000 0x80101000 64K rw', 'touch 0x40101000', 'touch 0x40102000'],
    },
  ],
};
