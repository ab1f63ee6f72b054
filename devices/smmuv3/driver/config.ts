import * as v from 'valibot';
import { DRIVER_KERNELS } from './kernel.ts';

const cycles = (value: number) => v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9)), value);

/**
 * What the driver does and what its own instructions cost on the CPU. Cycles are SMMU clock cycles (1 GHz by default, so
 * nanoseconds); what the SMMU takes for a command is in `mmu.invalidation`. No published measurement splits these costs: the
 * defaults are chosen so that an empty CMD_SYNC takes the 280 ns that the arm-kernel list reports for polling on an MSI.
 */
export const DriverSchema = v.strictObject({
  /** Kernel whose driver is followed; see {@link import('./kernel.ts').KERNEL_TRAITS} for what differs. */
  kernel: v.optional(
    v.pipe(v.union([v.string(), v.number()]), v.transform(String), v.picklist(DRIVER_KERNELS)),
    '6.12',
  ),
  /**
   * A workaround beyond what the SMMU's identification asks for. `tegra264`: every list of CFGI and TLBI commands is sent twice, each
   * time with its CMD_SYNC (proposed upstream, not merged).
   */
  erratum: v.optional(v.picklist(['none', 'tegra264']), 'none'),
  /**
   * How range invalidation covers what was gathered. `exact`: as Linux does, in as many commands as the page count has groups of five
   * bits. `covering` (a proposal): one command, whose unit is as large as it must be, so that it drops more than it has to.
   */
  rangePolicy: v.optional(v.picklist(['exact', 'covering']), 'exact'),
  /** Bits of the kernel's virtual addresses (VA_BITS): stage 1 has no more, since drivers may share it with processes. */
  virtualAddressBits: v.optional(v.picklist([48, 52]), 52),
  /** The kernel runs at EL2 (VHE): streams get EL2-E2H contexts where the SMMU has EL2 ones. */
  kernelAtEl2: v.optional(v.boolean(), false),
  /** What the firmware says of coherency, which wins over IDR0.COHACC; `probed`: what the SMMU says. */
  firmwareCoherency: v.optional(v.picklist(['probed', 'coherent', 'non-coherent']), 'probed'),
  /** Wires from the SMMU to the interrupt controller: one per source, one for all, or none. */
  interrupts: v.optional(v.picklist(['unique', 'combined', 'none']), 'unique'),
  /** Bytes of the SMMU's register region; Linux refuses less than both 64 KiB pages. */
  regionSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0x20000),
  /** Use range invalidation when the SMMU has it (Linux does). */
  useRanges: v.optional(v.boolean(), true),
  /** Commands sent with one doorbell, besides the CMD_SYNC. Linux `CMDQ_BATCH_ENTRIES`. */
  batch: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1024)), 64),
  /** log2 of the command queue entries, 4 to 19. Linux 6.12: the page allocator's largest order, 4 MiB of 16-byte commands at most. */
  commandQueueBits: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(19)), 16),
  /** log2 of the event queue entries, 2 to 19. */
  eventQueueBits: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(19)), 15),
  /** How completion is waited for: `poll` reads CMDQ_CONS, `msi` polls memory that the SMMU writes, `sev` sleeps in WFE. */
  wait: v.optional(v.picklist(['poll', 'msi', 'sev']), 'msi'),
  /** Cycles of the SMMU in a microsecond that the driver waits: its clock in MHz. Default: that of a run, 1000. */
  cyclesPerMicrosecond: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)), 1000),
  cost: v.optional(
    v.strictObject({
      /** Reserving space in the queue: one compare-and-exchange. Assumed. */
      reserve: cycles(15),
      /** Building and storing one command. Assumed. */
      command: cycles(5),
      /** Barrier and write of CMDQ_PROD, a posted store to a device register. Assumed. */
      doorbell: cycles(30),
      /** From completion to the CPU that polls memory seeing it: what is missing to the 280 ns that the list reports. */
      seenByMsi: cycles(90),
      /** From completion to the CPU in WFE running on. Assumed; the list reports 90 ns less than polling on MSI. */
      seenBySev: cycles(0),
      /** From completion to a read of CMDQ_CONS returning: one register read. Assumed. */
      seenByPoll: cycles(100),
      /** Handling one event record in the interrupt thread. Assumed. */
      event: cycles(1000),
    }),
    {},
  ),
});
export type DriverConfig = v.InferOutput<typeof DriverSchema>;
