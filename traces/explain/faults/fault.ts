/** Who printed a fault. */
export type FaultSource =
  | 'arm-smmu-v3'
  | 'arm-smmu'
  | 'adreno'
  | 'panfrost'
  | 'panthor'
  | 'mali'
  | 'ipmmu-vmsa'
  | 'rk_iommu'
  | 'mtk-iommu'
  | 'lima'
  | 'exynos-sysmmu'
  | 'tegra'
  | 'trace';

/** What may be behind a fault, and what speaks for it. */
export interface Suspicion {
  readonly name: string;
  readonly evidence: string;
}

/** One fault found in a log. Fields that the log does not tell are absent. */
export interface ExplainedFault {
  readonly source: FaultSource;
  /** What happened, in the words of the manual or of the driver: `F_TRANSLATION`, `TF`, `TRANSLATION_FAULT_1`. */
  readonly name: string;
  /** Input address, as lower-case hex. */
  readonly iova?: string;
  readonly streamId?: number;
  readonly substreamId?: number;
  /** Context bank of an SMMUv2, address space of a Mali. */
  readonly addressSpace?: number;
  readonly write?: boolean;
  readonly instruction?: boolean;
  readonly privileged?: boolean;
  readonly stage?: 1 | 2;
  /** Level of the descriptor at which the walk ended. */
  readonly level?: number;
  /** What was being translated: `IN` the input address, `TT` the address of a table, `CD` that of a context descriptor. */
  readonly class?: 'CD' | 'TT' | 'IN';
  readonly suspicions: readonly Suspicion[];
  /** Lines of the input that it was read from, from 1. */
  readonly lines: readonly number[];
  /** More that the words say, for people: not part of the JSON. */
  readonly details: readonly string[];
}

/** A fault being put together. */
export type FaultDraft = {
  -readonly [K in keyof ExplainedFault]: K extends 'suspicions'
    ? Suspicion[]
    : K extends 'lines'
      ? number[]
      : K extends 'details'
        ? string[]
        : ExplainedFault[K];
};

/** Where the kernel's own decoding says something else than the registers that it printed. */
export function disagree(fault: FaultDraft, evidence: string): void {
  fault.suspicions.push({ name: 'decoding disagrees', evidence });
}

export function newFault(source: FaultSource, name: string, line: number): FaultDraft {
  return { source, name, suspicions: [], lines: [line], details: [] };
}

/** The fields of the JSON, in their order. */
const FIELDS = [
  'source',
  'name',
  'iova',
  'streamId',
  'substreamId',
  'addressSpace',
  'write',
  'instruction',
  'privileged',
  'stage',
  'level',
  'class',
  'suspicions',
  'lines',
] as const satisfies readonly (keyof ExplainedFault)[];

/** The JSON of a fault, with its fields in a fixed order; what the log does not tell is left out. */
export function faultRecord(fault: ExplainedFault): Omit<ExplainedFault, 'details'> {
  const told = FIELDS.filter((field) => fault[field] !== undefined).map((field) => [field, fault[field]]);
  return Object.fromEntries(told) as Omit<ExplainedFault, 'details'>;
}
