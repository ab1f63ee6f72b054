/**
 * What a table walk starts from: the contents of the translation registers (or of a context descriptor / stream table entry),
 * decoded once into plain fields, so that the walker never looks at register bits.
 */

/** Descriptor families the walker reads. `lpae` covers VMSAv8-64 and 32-bit LPAE, which share their descriptors. */
export type DescriptorFamily = 'lpae' | 'mali' | 'short';

/** One translation table: a whole stage 2, or one half (TTBR0 or TTBR1) of a stage 1. */
export interface TableRoot {
  /** Physical address of the first-level table (an intermediate physical address when a stage 2 translates it). */
  readonly base: number;
  /** log2 of the granule in bytes: 12, 14 or 16 (Arm ARM D8.2). */
  readonly granuleShift: number;
  /** Input address size in bits: 64 - TxSZ. */
  readonly inputBits: number;
  /** Level of the first lookup, 0 to 3 (lower with fewer input bits or concatenated stage-2 tables). */
  readonly startLevel: number;
  /** HPD: hierarchical permission bits of table descriptors are ignored. */
  readonly ignoreHierarchicalPermissions: boolean;
}

/** Settings that a stage shares between its halves. */
export interface StageRegime {
  readonly stage: 1 | 2;
  readonly family: DescriptorFamily;
  /** Lower half, or the only table of a stage 2; null when walks of it are disabled (EPD0). */
  readonly root0: TableRoot | null;
  /** Upper half (TTBR1), stage 1 only; null when walks of it are disabled (EPD1) or it does not exist. */
  readonly root1: TableRoot | null;
  /** Output address size in bits (IPS / PS), 32 to 52: a larger output is an address size fault. */
  readonly outputBits: number;
  /** True: an access flag of 0 is an access flag fault (AFFD = 0); false: it is ignored. */
  readonly accessFlagFaults: boolean;
  /** Hardware sets the access flag (HA). */
  readonly hardwareAccessFlag: boolean;
  /** Hardware marks pages dirty (HD; needs hardwareAccessFlag). */
  readonly hardwareDirty: boolean;
  /** Stage 1: the eight MAIR attribute bytes. Stage 2 and Mali: empty. */
  readonly memoryAttributes: readonly number[];
  /** Address space tag of TLB entries: ASID for stage 1, VMID for stage 2. */
  readonly tag: number;
  /** Writable implies not executable (WXN). */
  readonly writeExecuteNever: boolean;
  /** Stage 1 of a regime without an unprivileged level (EL2 without E2H, EL3): AP[1] and PXN mean nothing. Default: two levels. */
  readonly singlePrivilege?: boolean;
  /** AArch32 rules of execution (32-bit LPAE): it needs the right to read, and XN holds for both levels. Default: AArch64 rules. */
  readonly aarch32?: boolean;
  /** Stage 2 with FEAT_XNX (SMMU_IDR3.XNX): XN[1:0] tells the levels apart. Default: XN[1] alone forbids execution. */
  readonly executeByPrivilege?: boolean;
  /** Stage 2: a stage-1 table in device memory is a permission fault (STE.S2PTW, HCR_EL2.PTW). Default: allowed. */
  readonly protectedTableWalk?: boolean;
  /** Short descriptors with MediaTek's 35-bit addresses and without permissions (Linux ARM_MTK_EXT). Default: the architecture's. */
  readonly mediatekAddresses?: boolean;
}

/** The whole translation of one stream: stage 1, stage 2, both, or neither (bypass). */
export interface TranslationRegime {
  readonly stage1: StageRegime | null;
  readonly stage2: StageRegime | null;
  /** Tag of every TLB entry made under this regime: stage 1's ASID, or 0 without a stage 1. */
  readonly asid: number;
  /** Stage 2's VMID, or the VMID that the stream table entry gives. */
  readonly vmid: number;
}

/** What an access may do, as the tables allow it. One bit each, so that two stages combine with a bitwise and. */
export const Permission = {
  READ: 1,
  WRITE: 2,
  EXECUTE: 4,
  PRIVILEGED_READ: 8,
  PRIVILEGED_WRITE: 16,
  PRIVILEGED_EXECUTE: 32,
  ALL: 63,
} as const;
