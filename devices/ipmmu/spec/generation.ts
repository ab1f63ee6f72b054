/**
 * The generations of the IPMMU-VMSA in Renesas R-Car parts, each described once: the drivers and the device model read the same
 * description. Sources: Linux `drivers/iommu/ipmmu-vmsa.c` (its `ipmmu_features`), Xen `drivers/passthrough/arm/ipmmu-vmsa.c`.
 */

export const IPMMU_GENERATION_NAMES = ['gen2', 'gen3', 'gen4'] as const;
export type IpmmuGenerationName = (typeof IPMMU_GENERATION_NAMES)[number];

export interface IpmmuGeneration {
  readonly name: IpmmuGenerationName;
  /** Translation contexts: tables that can be in use at a time. */
  readonly contexts: number;
  /** Micro-TLBs of one IPMMU: each serves one bus master, and is tied to one context. */
  readonly microTlbs: number;
  /**
   * True: micro-TLBs are in leaf IPMMUs, one for each part of the chip, which ask one root (IPMMU-MM) that holds the tables'
   * registers and does the walks. False: each IPMMU stands alone and is its own root.
   */
  readonly hasLeaves: boolean;
  /** Offset of the registers of context 0. Gen2: the non-secure alias. */
  readonly contextBase: number;
  readonly contextStride: number;
  /** Offset that is added to the registers of micro-TLBs. */
  readonly microTlbBase: number;
  /** IMTTBCR.SL0 has two bits at 6 and 7; false: one bit at 4. */
  readonly twoBitStartLevel: boolean;
  /** IMBUSCR exists and must be cleared of DVM and bus selection. */
  readonly hasBusControl: boolean;
  /** Tables of VMSAv8-64 can be walked (IMCTR.VA64), with both halves; false: 32-bit LPAE only. */
  readonly longAddresses: boolean;
}

/** Contexts from this one on lie a little further away than the stride alone would have them. */
export const UPPER_CONTEXT = 8;
export const UPPER_CONTEXT_GAP = 0x600;

export const IPMMU_GENERATIONS: Readonly<Record<IpmmuGenerationName, IpmmuGeneration>> = {
  gen2: {
    name: 'gen2',
    contexts: 1,
    microTlbs: 32,
    hasLeaves: false,
    contextBase: 0x800,
    contextStride: 0x40,
    microTlbBase: 0x800,
    twoBitStartLevel: false,
    hasBusControl: true,
    longAddresses: false,
  },
  gen3: {
    name: 'gen3',
    contexts: 8,
    microTlbs: 48,
    hasLeaves: true,
    contextBase: 0,
    contextStride: 0x40,
    microTlbBase: 0,
    twoBitStartLevel: true,
    hasBusControl: false,
    longAddresses: true,
  },
  gen4: {
    name: 'gen4',
    contexts: 16,
    microTlbs: 64,
    hasLeaves: true,
    contextBase: 0x10000,
    contextStride: 0x1040,
    microTlbBase: 0x3000,
    twoBitStartLevel: true,
    hasBusControl: false,
    longAddresses: true,
  },
};
