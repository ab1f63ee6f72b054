/** Scenarios of Linux's arm-smmu-v3: the SMMU that is probed, and what the rest of the kernel then asks of the driver. */
import * as v from 'valibot';
import { eventList } from '../event.ts';
import { hex64, hexNumber, integer, linuxKernel } from '../fields.ts';

const anything = v.unknown();
const words = v.array(hex64);
/** Entries as they are afterwards: words by StreamID or SubstreamID, trailing zeros cut. */
const entries = v.record(v.string(), words);
const cmdq_error = v.optional(anything);
const ev = eventList;
const dev = integer;
const dom = integer;
const ret = integer;
const iova = hexNumber;
const domain = v.optional(v.record(v.string(), anything));
const gather = v.tuple([hex64, hex64, hexNumber]);

const operation = v.variant('op', [
  v.object({
    op: v.literal('probe_device'),
    dev,
    sids: v.array(hexNumber),
    pci: v.boolean(),
    ats_cap: v.boolean(),
    rc_ats: v.boolean(),
    pasid_bits: integer,
    can_stall: v.boolean(),
    ret,
    ssid_bits: v.optional(integer),
    stall_enabled: v.optional(v.boolean()),
    ev,
  }),
  v.object({
    op: v.literal('domain_alloc'),
    dom,
    dev,
    kind: v.picklist(['default', 'stage2', 'dirty']),
    ret,
    domain,
    ev,
  }),
  v.object({ op: v.literal('attach'), dev, dom, ret, domain, ste: entries, cd: v.optional(entries), cmdq_error, ev }),
  v.object({ op: v.literal('attach_identity'), dev, ret, ste: entries, cd: v.optional(entries), cmdq_error, ev }),
  v.object({ op: v.literal('attach_blocked'), dev, ret, ste: entries, cd: v.optional(entries), cmdq_error, ev }),
  v.object({
    op: v.literal('set_dev_pasid'),
    dev,
    pasid: integer,
    dom,
    ret,
    ste: entries,
    cd: v.optional(entries),
    cmdq_error,
    ev,
  }),
  v.object({
    op: v.literal('remove_dev_pasid'),
    dev,
    pasid: integer,
    dom,
    ste: entries,
    cd: v.optional(entries),
    cmdq_error,
    ev,
  }),
  v.object({ op: v.literal('release_device'), dev, require_direct: v.boolean(), ev }),
  v.object({
    op: v.literal('map'),
    dom,
    iova,
    paddr: hexNumber,
    pgsize: hexNumber,
    pgcount: integer,
    prot: integer,
    ret,
    mapped: hexNumber,
    cmdq_error,
    ev,
  }),
  v.object({
    op: v.literal('unmap'),
    dom,
    iova,
    pgsize: hexNumber,
    pgcount: integer,
    queued: v.boolean(),
    unmapped: hexNumber,
    gather,
    ev,
  }),
  v.object({ op: v.literal('iotlb_sync'), dom, gather, cmdq_error, ev }),
  v.object({ op: v.literal('flush_iotlb_all'), dom, cmdq_error, ev }),
  v.object({ op: v.literal('tlb_flush_walk'), dom, iova, size: hexNumber, granule: hexNumber, cmdq_error, ev }),
  v.object({ op: v.literal('domain_free'), dom, ev }),
  v.object({ op: v.literal('shutdown'), ev }),
  v.object({ op: v.literal('evtq_irq'), fault_ret: integer, records: v.array(words), overflow: v.boolean(), ret, ev }),
  v.object({ op: v.literal('priq_irq'), record: words, ev }),
  v.object({ op: v.literal('gerror_irq'), active: hexNumber, ret, ev }),
  v.object({ op: v.literal('page_response'), dev, stag: integer, code: integer, ev }),
]);

export const ArmSmmuV3ScenarioSchema = v.object({
  id: integer,
  kernel: linuxKernel,
  profile: v.string(),
  idr: v.pipe(v.array(hexNumber), v.length(6)),
  iidr: hexNumber,
  fw_coherent: v.boolean(),
  vhe: v.boolean(),
  irqs: v.picklist(['unique', 'combined', 'none']),
  msi_domain: v.boolean(),
  disable_msipolling: v.boolean(),
  region_size: hexNumber,
  probe: v.looseObject({ ret, ev }),
  ops: v.array(operation),
});

export type ArmSmmuV3Scenario = v.InferOutput<typeof ArmSmmuV3ScenarioSchema>;
export type ArmSmmuV3Operation = v.InferOutput<typeof operation>;
