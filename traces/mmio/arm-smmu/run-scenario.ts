import {
  type ContextFault,
  type DomainContext,
  FaultAnswer,
  NoSmmuError,
  SMMU_HARDWARE,
  type Smmuv2Domain,
  Smmuv2Driver,
  type Smmuv2Features,
  type Smmuv2Master,
} from '../../../devices/index.ts';
import { Prot, TWO_32 } from '../../../formats/index.ts';
import { newGather } from '../../conformance/recorder.ts';
import type { CaseCheck } from '../case-check.ts';
import { defineRunner } from '../runner.ts';
import { RecordedPort } from './recorded-port.ts';
import { type ArmSmmuOperation, type ArmSmmuScenario, ArmSmmuScenarioSchema } from './scenario.ts';
import { TableMachine } from './table-machine.ts';

const ENODEV = 19;
/** What maps map to does not show in any access, so that it is not recorded. */
const MAPPED_PA = 0x4000_0000;

/** Scenarios of Linux's arm-smmu. */
export const ARM_SMMU = defineRunner({
  name: 'arm-smmu/scenarios',
  recognises: (line) => 'id_regs' in line && 'smr_bits' in line,
  schema: ArmSmmuScenarioSchema,
  perform: (scenario, check) => performScenario(scenario, check),
});

function performScenario(scenario: ArmSmmuScenario, check: CaseCheck): void {
  const machine = new TableMachine(firstTable(scenario), (code) => check.player.warn(code));
  const port = new RecordedPort(check.player);
  const driver = probe(scenario, port, machine, check);
  if (driver === null) return;
  const run = new ScenarioRun(driver, port, machine, check);
  for (const operation of scenario.ops) run.perform(operation);
}

function probe(
  scenario: ArmSmmuScenario,
  port: RecordedPort,
  machine: TableMachine,
  check: CaseCheck,
): Smmuv2Driver | null {
  const { player } = check;
  const { ev, ret, ...learned } = scenario.probe;
  const regionSize = recordedRegion(scenario);
  const { compatible, contextInterrupts } = SMMU_HARDWARE[scenario.profile];
  const driver = check.operation('probe', ev, () => {
    try {
      return new Smmuv2Driver(port, machine, {
        compatible,
        contextInterrupts,
        kernel: scenario.kernel,
        coherentWalk: scenario.coherent,
        disableBypass: scenario.disable_bypass,
        forceStage: scenario.force_stage,
        ...(regionSize === null ? {} : { regionSize }),
        log: (level) => player.log(level),
      });
    } catch (error) {
      if (error instanceof NoSmmuError) return null;
      throw error;
    }
  });
  check.equal('ret', ret, driver === null ? -ENODEV : 0);
  if (driver !== null) check.equal('probe', scenario.probe.ret === 0 ? learned : {}, describeProbe(driver));
  return driver;
}

/** The lowest address at which a first-level table was recorded. */
function firstTable({ ops }: ArmSmmuScenario): number {
  const found = ops.flatMap((op) => (op.op === 'attach' && op.domain !== undefined ? [tableOf(op.domain)] : []));
  return found.length === 0 ? MAPPED_PA : Math.min(...found);
}

function tableOf(domain: Readonly<Record<string, unknown>>): number {
  return Number(domain['ttbr'] ?? domain['vttbr']);
}

/** How much of the region was mapped shows only in the message that says that it is the wrong size. */
function recordedRegion({ probe: { ev } }: ArmSmmuScenario): number | null {
  for (const [kind, level, text] of ev) {
    const found = kind === 'log' && level === 'warn' ? /mapped region size \((0x[0-9a-f]+)\)/.exec(String(text)) : null;
    if (found !== null) return Number(found[1]);
  }
  return null;
}

/** Linux's names and bits of what {@link Smmuv2Features} says, lowest bit first. */
function featureBits({ formats, ...features }: Smmuv2Features): number {
  const flags = [
    features.coherentWalk,
    features.streamMatch,
    features.stage1,
    features.stage2,
    features.nested,
    features.translationOps,
    features.vmid16,
    formats.granule4k,
    formats.granule16k,
    formats.granule64k,
    formats.long32,
    formats.short,
    features.extendedIds,
  ];
  return flags.reduce((sum, flag, bit) => sum + Number(flag) * 2 ** bit, 0);
}

function describeProbe({ features, streams }: Smmuv2Driver): Record<string, unknown> {
  return {
    features: featureBits(features),
    num_context_banks: features.contextBanks,
    num_s2_context_banks: features.stage2Banks,
    num_mapping_groups: features.groups,
    streamid_mask: streams.idMask,
    smr_mask_mask: streams.maskMask,
    va_size: features.vaBits,
    ipa_size: features.ipaBits,
    pa_size: features.paBits,
    pgsize_bitmap: features.pageSizes,
    pgshift: features.pages.shift,
    numpage: features.pages.globalPages,
  };
}

function describeDomain({ stage, aarch64, bank, tag, interrupt, table }: DomainContext): Record<string, unknown> {
  const { config, registers } = table;
  const upper = (config.quirks & 0x20) !== 0;
  const end = 2n ** BigInt(config.ias);
  const shared = {
    stage,
    fmt: aarch64 ? 'AARCH64' : 'AARCH32_L',
    cbndx: bank,
    ...(stage === 1 ? { asid: tag } : { vmid: tag }),
    irptndx: interrupt,
    ias: config.ias,
    oas: config.oas,
    pgsize_bitmap: config.pageSizes,
    quirks: config.quirks,
    coherent_walk: Number(config.coherentWalk),
    aperture: upper ? [2n ** 64n - end, 2n ** 64n - 1n] : [0, end - 1n],
  };
  if (registers.kind === 'stage-1') {
    const { ttbr, tcr, mairLow, mairHigh } = registers;
    return { ...shared, ttbr, mair: BigInt(mairHigh) * BigInt(TWO_32) + BigInt(mairLow), tcr };
  }
  return registers.kind === 'stage-2' ? { ...shared, vttbr: registers.vttbr, vtcr: registers.vtcr } : shared;
}

/** One driver under the operations of a scenario. */
class ScenarioRun {
  readonly #driver: Smmuv2Driver;
  readonly #port: RecordedPort;
  readonly #machine: TableMachine;
  readonly #check: CaseCheck;
  readonly #masters = new Map<number, Smmuv2Master>();
  readonly #domains = new Map<number, Smmuv2Domain>();

  constructor(driver: Smmuv2Driver, port: RecordedPort, machine: TableMachine, check: CaseCheck) {
    this.#driver = driver;
    this.#port = port;
    this.#machine = machine;
    this.#check = check;
  }

  perform(one: ArmSmmuOperation): void {
    const check = this.#check;
    const driver = this.#driver;
    switch (one.op) {
      case 'probe_device': {
        const ids = one.ids.map((id) => ({ id: id % 65536, mask: Math.floor(id / 65536) % 65536 }));
        const master = check.operation(`probe_device ${one.dev}`, one.ev, () => driver.probeDevice(ids));
        check.equal('ret', one.ret, typeof master === 'number' ? master : 0);
        if (typeof master === 'number') return;
        check.equal('smendx', one.smendx, master.groups);
        this.#masters.set(one.dev, master);
        return;
      }
      case 'attach':
        this.#attach(one);
        return;
      case 'attach_identity':
        check.operation(one.op, one.ev, () => driver.attachIdentity(this.#master(one.dev)));
        return;
      case 'attach_blocked':
        check.operation(one.op, one.ev, () => driver.attachBlocked(this.#master(one.dev)));
        return;
      case 'release_device':
        check.operation(one.op, one.ev, () => driver.releaseDevice(this.#master(one.dev)));
        this.#masters.delete(one.dev);
        return;
      case 'resume':
        check.operation(one.op, one.ev, () => driver.resume());
        return;
      case 'shutdown':
        check.operation(one.op, one.ev, () => driver.shutdown());
        return;
      case 'global_fault':
        check.equal('ret', one.ret, Number(check.operation(one.op, one.ev, () => driver.globalFault())));
        return;
      default:
        this.#performOnDomain(one, this.#domain(one.dom));
    }
  }

  #performOnDomain(one: Extract<ArmSmmuOperation, { readonly dom: number }>, domain: Smmuv2Domain): void {
    const check = this.#check;
    const driver = this.#driver;
    const { maintenance } = driver;
    const name = `${one.op} of domain ${one.dom}`;
    switch (one.op) {
      case 'map': {
        const { iova } = addressIn(domain, one.iova);
        this.#port.recorded = one.ev.length > 0;
        const ret = check.operation(name, one.ev, () =>
          driver.map(domain, iova, MAPPED_PA, one.pgsize, one.pgcount, Prot.READ | Prot.WRITE),
        );
        this.#port.recorded = true;
        check.equal('ret', one.ret, ret);
        check.equal('mapped', one.mapped, domain.context?.table.mapped ?? 0);
        return;
      }
      case 'unmap': {
        const { iova } = addressIn(domain, one.iova);
        const gather = newGather(one.queued);
        const unmapped = check.operation(name, one.ev, () =>
          driver.unmap(domain, iova, one.pgsize, one.pgcount, gather),
        );
        check.equal('unmapped', one.unmapped, unmapped);
        return;
      }
      case 'iotlb_sync':
        check.operation(name, one.ev, () => driver.sync(domain));
        return;
      case 'flush_iotlb_all':
        check.operation(name, one.ev, () => driver.flushAll(domain));
        return;
      case 'tlb_add_page':
      case 'tlb_flush_walk': {
        const { iova, upper } = addressIn(domain, one.iova);
        check.operation(name, one.ev, () => {
          const { context } = domain;
          if (context === null) return;
          if (one.op === 'tlb_add_page') maintenance.page(context, iova, upper, one.granule);
          else maintenance.walk(context, iova, upper, one.size, one.granule);
        });
        return;
      }
      case 'iova_to_phys': {
        const { iova, upper } = addressIn(domain, one.iova);
        check.equal(
          'phys',
          one.phys,
          check.operation(name, one.ev, () => driver.iovaToPhys(domain, iova, upper)),
        );
        return;
      }
      case 'context_fault': {
        const handler = one.handler === null ? null : (fault: ContextFault) => this.#handle(fault);
        const ours = check.operation(name, one.ev, () => driver.contextFault(domain, handler));
        check.equal('ret', one.ret, Number(ours));
        return;
      }
      case 'domain_free':
        check.operation(name, one.ev, () => driver.freeDomain(domain));
        this.#domains.delete(one.dom);
        return;
      default:
    }
  }

  #attach(one: Extract<ArmSmmuOperation, { readonly op: 'attach' }>): void {
    const check = this.#check;
    const driver = this.#driver;
    const known = this.#domains.get(one.dom);
    const domain = known ?? driver.createDomain({ nesting: one.nesting === true, upper: one.quirk === 'ttbr1' });
    this.#domains.set(one.dom, domain);
    if (domain.context === null && one.domain !== undefined) this.#machine.firstLevel = tableOf(one.domain);
    const ret = check.operation(`attach device ${one.dev} to domain ${one.dom}`, one.ev, () =>
      driver.attach(this.#master(one.dev), domain),
    );
    check.equal('ret', one.ret, ret);
    if (domain.context !== null && one.domain !== undefined) {
      check.equal('domain', one.domain, describeDomain(domain.context));
    }
  }

  /** Asks the recorded fault handler. */
  #handle({ addressLow, addressHigh, write }: ContextFault): number {
    const iova = BigInt(addressHigh) * BigInt(TWO_32) + BigInt(addressLow);
    const [answer = FaultAnswer.NONE] = this.#check.player.take('fault_handler', iova, Number(write));
    return Number(answer);
  }

  #master(dev: number): Smmuv2Master {
    return this.#masters.get(dev) ?? { groups: [] };
  }

  #domain(dom: number): Smmuv2Domain {
    const known = this.#domains.get(dom);
    if (known !== undefined) return known;
    const fresh = this.#driver.createDomain();
    this.#domains.set(dom, fresh);
    return fresh;
  }
}

/** An address as our tables take it: of the upper half the low bits. */
function addressIn({ upper, context }: Smmuv2Domain, address: bigint): { iova: number; upper: boolean } {
  const bits = context?.table.config.ias ?? 48;
  const isUpper = upper && address >> BigInt(bits) === 2n ** BigInt(64 - bits) - 1n;
  return { iova: Number(isUpper ? BigInt.asUintN(bits, address) : address), upper: isUpper };
}
