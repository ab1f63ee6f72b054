/** The schema of a recorded arm-smmu scenario: one SMMU is probed, then driven by some tens of operations. */
import * as v from 'valibot';
import { SMMU_HARDWARE, type SmmuHardwareName } from '../../../../devices/index.ts';
import { eventList } from '../event.ts';
import { hex64, hexNumber, integer, linuxKernel } from '../fields.ts';

const ret = integer;
const ev = eventList;
const dev = integer;
const dom = integer;

const probe = v.object({
  ret,
  ev,
  /** What the driver learned; absent after a failed probe. */
  features: v.optional(hexNumber),
  num_context_banks: v.optional(integer),
  num_s2_context_banks: v.optional(integer),
  num_mapping_groups: v.optional(integer),
  streamid_mask: v.optional(hexNumber),
  smr_mask_mask: v.optional(hexNumber),
  va_size: v.optional(integer),
  ipa_size: v.optional(integer),
  pa_size: v.optional(integer),
  pgsize_bitmap: v.optional(hexNumber),
  pgshift: v.optional(integer),
  numpage: v.optional(integer),
});

const operation = v.variant('op', [
  v.object({
    op: v.literal('probe_device'),
    ret,
    ev,
    dev,
    ids: v.array(hexNumber),
    smendx: v.optional(v.array(integer)),
  }),
  v.object({
    op: v.literal('attach'),
    ret,
    ev,
    dev,
    dom,
    nesting: v.optional(v.boolean()),
    quirk: v.optional(v.picklist(['ttbr1'])),
    domain: v.optional(v.record(v.string(), v.unknown())),
  }),
  v.object({ op: v.literal('attach_identity'), ret, ev, dev }),
  v.object({ op: v.literal('attach_blocked'), ret, ev, dev }),
  v.object({ op: v.literal('release_device'), ev, dev }),
  v.object({ op: v.literal('map'), ret, ev, dom, iova: hex64, pgsize: hexNumber, pgcount: integer, mapped: hexNumber }),
  v.object({
    op: v.literal('unmap'),
    ev,
    dom,
    iova: hex64,
    pgsize: hexNumber,
    pgcount: integer,
    queued: v.boolean(),
    unmapped: hexNumber,
  }),
  v.object({ op: v.literal('iotlb_sync'), ev, dom }),
  v.object({ op: v.literal('flush_iotlb_all'), ev, dom }),
  v.object({ op: v.literal('tlb_add_page'), ev, dom, iova: hex64, granule: hexNumber }),
  v.object({ op: v.literal('tlb_flush_walk'), ev, dom, iova: hex64, size: hexNumber, granule: hexNumber }),
  v.object({ op: v.literal('iova_to_phys'), ev, dom, iova: hex64, par: hex64, phys: hexNumber }),
  v.object({
    op: v.literal('context_fault'),
    ret,
    ev,
    dom,
    FSR: hexNumber,
    FSYNR0: hexNumber,
    FAR: hex64,
    CBFRSYNRA: hexNumber,
    handler: v.nullable(integer),
  }),
  v.object({
    op: v.literal('global_fault'),
    ret,
    ev,
    sGFSR: hexNumber,
    sGFSYNR0: hexNumber,
    sGFSYNR1: hexNumber,
    sGFSYNR2: hexNumber,
  }),
  v.object({ op: v.literal('resume'), ev }),
  v.object({ op: v.literal('domain_free'), ev, dom }),
  v.object({ op: v.literal('shutdown'), ev }),
]);

export const ArmSmmuScenarioSchema = v.object({
  kernel: linuxKernel,
  profile: v.picklist(Object.keys(SMMU_HARDWARE) as SmmuHardwareName[]),
  coherent: v.boolean(),
  disable_bypass: v.boolean(),
  force_stage: v.picklist([0, 1, 2]),
  id_regs: v.object({ ID0: hexNumber, ID1: hexNumber, ID2: hexNumber, ID7: hexNumber }),
  reset_values: v.object({ sCR0: hexNumber, sACR: hexNumber, sGFSR: hexNumber, ACTLR: hexNumber }),
  smr_bits: hexNumber,
  probe,
  ops: v.array(operation),
});

export type ArmSmmuScenario = v.InferOutput<typeof ArmSmmuScenarioSchema>;
export type ArmSmmuOperation = ArmSmmuScenario['ops'][number];
