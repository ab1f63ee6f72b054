import type { Machine } from '../../../devices/index.ts';
import { ENTRY } from '../../../emulator/index.ts';
import { Prot } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';

/** Memory attributes of a leaf, and which of their bits a mapping decides. */
interface MemoryType {
  readonly name: string;
  /** MAIR byte, or a GPU's byte of MEMATTR. */
  readonly attribute: number;
  readonly mask: number;
  /** SH: 2 outer, 3 inner. */
  readonly shareability: number;
}

/** By what a mapping asks for: coherent memory (IOMMU_CACHE), device registers (IOMMU_MMIO), other memory. */
interface MemoryTypes {
  readonly cached: MemoryType;
  readonly device: MemoryType;
  readonly plain: MemoryType;
}

const OUTER = 2;
const INNER = 3;

/** Linux's io-pgtable-arm: `arm_lpae_prot_to_pte`, with the MAIR of its stage 1 and the MemAttr of its stage 2. */
const LPAE: MemoryTypes = {
  cached: { name: 'write-back', attribute: 0xff, mask: 0xff, shareability: INNER },
  device: { name: 'Device', attribute: 0x04, mask: 0xff, shareability: OUTER },
  plain: { name: 'non-cacheable', attribute: 0x44, mask: 0xff, shareability: OUTER },
};

/** The same tables through the MEMATTR that panthor, and panfrost of 7.3, make of their MAIR; bit 4 follows the GPU's coherency. */
const MALI_AARCH64: MemoryTypes = {
  cached: { name: 'write-back', attribute: 0x8f, mask: 0xef, shareability: INNER },
  device: { name: 'non-cacheable', attribute: 0x4c, mask: 0xff, shareability: OUTER },
  plain: { name: 'non-cacheable', attribute: 0x4c, mask: 0xff, shareability: OUTER },
};

/** `arm_mali_lpae_alloc_pgtable`: its indexes WRITE_ALLOC and IMPL_DEF. */
const MALI_LPAE: MemoryTypes = {
  cached: { name: 'write-allocate', attribute: 0x8d, mask: 0xff, shareability: OUTER },
  device: { name: 'implementation defined', attribute: 0x88, mask: 0xff, shareability: OUTER },
  plain: { name: 'implementation defined', attribute: 0x88, mask: 0xff, shareability: OUTER },
};

/** The memory types that a machine's drivers give to mappings. */
export class ExpectedMemory {
  readonly #types: MemoryTypes;

  constructor({ config: { iommu, table } }: Machine) {
    if (table.format === 'arm-mali-lpae') this.#types = MALI_LPAE;
    else this.#types = iommu.model === 'mali' ? MALI_AARCH64 : LPAE;
  }

  /** What is otherwise in a leaf's attributes than a mapping with this protection has it; '' where nothing is. */
  difference(attributes: number, prot: number): string {
    const { cached, device, plain } = this.#types;
    const { name, attribute, mask, shareability } =
      (prot & Prot.MMIO) !== 0 ? device : (prot & Prot.CACHE) !== 0 ? cached : plain;
    const memory = (attributes >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK;
    const shared = (attributes >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
    if ((memory & mask) !== (attribute & mask)) {
      return `attribute ${hexText(memory)} instead of ${hexText(attribute)} (${name})`;
    }
    return shared === shareability ? '' : `shareability ${shared} instead of ${shareability}`;
  }
}
