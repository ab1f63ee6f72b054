import type {
  ContextFault,
  DomainContext,
  Smmuv2Domain,
  Smmuv2Driver,
  Smmuv2Master,
} from '../../../../devices/index.ts';
import { newGather, Prot, Quirk, TWO_32 } from '../../../../formats/index.ts';
import type { DriverEvent } from '../event.ts';
import type { TableMachine } from '../table-machine.ts';
import type { ArmSmmuOperation } from './scenario.ts';

/** What maps map to does not show in any access, so that it is not recorded. */
export const MAPPED_PA = 0x4000_0000;

/** On what a scenario is performed: recorded events, or a device. */
export interface ScenarioStage {
  /** Performs an operation, whose recorded events these are. */
  operation<T>(what: string, events: readonly DriverEvent[], perform: () => T): T;
  /** A value of the operation came out. */
  equal(what: string, recorded: unknown, found: unknown): void;
  /** The driver asks the user of a domain about a fault, who is recorded to have given this answer. */
  handle(fault: ContextFault, answer: number): number;
  before?(one: ArmSmmuOperation, domain: Smmuv2Domain | null): void;
  after?(one: ArmSmmuOperation, domain: Smmuv2Domain | null): void;
}

/** One driver under the operations of a scenario. */
export class ScenarioRun {
  readonly #driver: Smmuv2Driver;
  readonly #machine: TableMachine;
  readonly #stage: ScenarioStage;
  readonly #masters = new Map<number, Smmuv2Master>();
  readonly #domains = new Map<number, Smmuv2Domain>();

  constructor(driver: Smmuv2Driver, machine: TableMachine, stage: ScenarioStage) {
    this.#driver = driver;
    this.#machine = machine;
    this.#stage = stage;
  }

  perform(one: ArmSmmuOperation): void {
    this.#stage.before?.(one, 'dom' in one ? (this.#domains.get(one.dom) ?? null) : null);
    this.#perform(one);
    this.#stage.after?.(one, 'dom' in one ? (this.#domains.get(one.dom) ?? null) : null);
  }

  #perform(one: ArmSmmuOperation): void {
    const check = this.#stage;
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
    const check = this.#stage;
    const driver = this.#driver;
    const { maintenance } = driver;
    const name = `${one.op} of domain ${one.dom}`;
    switch (one.op) {
      case 'map': {
        const { iova } = addressIn(domain, one.iova);
        const ret = check.operation(name, one.ev, () =>
          driver.map(domain, iova, MAPPED_PA, one.pgsize, one.pgcount, Prot.READ | Prot.WRITE),
        );
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
          if (one.op === 'tlb_add_page') maintenance.leaves(context, iova, upper, one.granule, one.granule);
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
        const handler = one.handler === null ? null : (fault: ContextFault) => check.handle(fault, Number(one.handler));
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
    const check = this.#stage;
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
export function addressIn({ upper, context }: Smmuv2Domain, address: bigint): { iova: number; upper: boolean } {
  const bits = context?.table.config.ias ?? 48;
  const isUpper = upper && address >> BigInt(bits) === 2n ** BigInt(64 - bits) - 1n;
  return { iova: Number(isUpper ? BigInt.asUintN(bits, address) : address), upper: isUpper };
}

/** Where a recorded domain has its first-level table. */
export function tableOf(domain: Readonly<Record<string, unknown>>): number {
  return Number(domain['ttbr'] ?? domain['vttbr']);
}

function describeDomain({ stage, aarch64, bank, tag, interrupt, table }: DomainContext): Record<string, unknown> {
  const { config, registers } = table;
  const upper = (config.quirks & Quirk.ARM_TTBR1) !== 0;
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
