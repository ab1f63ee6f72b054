import {
  type CoherentMemory,
  type Master,
  ProbeError,
  type SmmuPlatform,
  type SmmuPort,
  type Smmuv3Domain,
  Smmuv3Driver,
} from '../../../../devices/index.ts';
import { ConfigError, type IotlbGather, newGather, Quirk, type TableMemory } from '../../../../formats/index.ts';
import type { CaseCheck } from '../case-check.ts';
import type { TableMachine } from '../table-machine.ts';
import { describeDomain, describeProbe } from './describe.ts';
import type { ArmSmmuV3Operation, ArmSmmuV3Scenario } from './scenario.ts';

const EOPNOTSUPP = 95;
const STE_BYTES = 64;
/** Answers to faults by the code of the fault framework. */
const ANSWERS = ['retry', 'abort', 'abort'] as const;

/** What a scenario runs on: the recorded SMMU, or our own. */
export interface ScenarioBench {
  readonly port: SmmuPort;
  readonly coherent: CoherentMemory;
  readonly platform: SmmuPlatform;
  readonly machine: TableMachine;
  /** Puts a record into a queue of the SMMU; null where the SMMU itself decides what it records. */
  readonly deliver: ((queue: 'EVENTQ' | 'PRIQ', record: readonly bigint[]) => void) | null;
  /** Called after each operation. */
  observe?(driver: Smmuv3Driver, operation: ArmSmmuV3Operation, state: ScenarioState): void;
}

/** Devices and domains of a scenario by number. */
export interface ScenarioState {
  readonly masters: ReadonlyMap<number, Master>;
  readonly domains: ReadonlyMap<number, DomainSlot>;
}

/** A domain; null until it is finished (Linux 6.12 does that when it is first attached). */
export interface DomainSlot {
  domain: Smmuv3Domain | null;
  readonly kind: string;
  /** What its unmaps gathered since the last sync. */
  readonly gather: IotlbGather;
}

/** One driver under the operations of a scenario. */
export class ScenarioRun {
  readonly #scenario: ArmSmmuV3Scenario;
  readonly #check: CaseCheck;
  readonly #bench: ScenarioBench;
  readonly #masters = new Map<number, Master>();
  readonly #domains = new Map<number, DomainSlot>();

  constructor(scenario: ArmSmmuV3Scenario, check: CaseCheck, bench: ScenarioBench) {
    this.#scenario = scenario;
    this.#check = check;
    this.#bench = bench;
  }

  perform(): void {
    const driver = this.#probe();
    if (driver === null) return;
    const state: ScenarioState = { masters: this.#masters, domains: this.#domains };
    for (const operation of this.#scenario.ops) {
      this.#operation(driver, operation);
      this.#bench.observe?.(driver, operation, state);
    }
  }

  #probe(): Smmuv3Driver | null {
    const { kernel, fw_coherent, vhe, irqs, disable_msipolling, region_size, probe } = this.#scenario;
    const check = this.#check;
    const driver = check.operation('probe', probe.ev, () => {
      try {
        return new Smmuv3Driver({
          port: this.#bench.port,
          machine: this.#bench.machine,
          coherent: this.#bench.coherent,
          platform: this.#bench.platform,
          config: {
            kernel,
            virtualAddressBits: 48,
            kernelAtEl2: vhe,
            firmwareCoherency: fw_coherent ? 'coherent' : 'non-coherent',
            interrupts: irqs,
            regionSize: region_size,
            wait: disable_msipolling ? 'sev' : 'msi',
          },
        });
      } catch (error) {
        if (error instanceof ProbeError) return error.errno;
        throw error;
      }
    });
    const { ret, ev: _, ...learned } = probe;
    check.equal('ret', ret, typeof driver === 'number' ? driver : 0);
    if (typeof driver === 'number') return null;
    check.equal('probe', learned, describeProbe(driver, kernel, !disable_msipolling));
    return driver;
  }

  #operation(driver: Smmuv3Driver, one: ArmSmmuV3Operation): void {
    const check = this.#check;
    switch (one.op) {
      case 'probe_device':
        this.#probeDevice(driver, one);
        return;
      case 'domain_alloc':
        this.#allocDomain(driver, one);
        return;
      case 'attach':
      case 'attach_identity':
      case 'attach_blocked':
      case 'set_dev_pasid':
      case 'remove_dev_pasid':
        this.#attach(driver, one);
        return;
      case 'release_device': {
        const master = this.#master(one.dev);
        check.operation(`${one.op} ${one.dev}`, one.ev, () => driver.attacher.release(master, one.require_direct));
        this.#masters.delete(one.dev);
        return;
      }
      case 'shutdown':
        check.operation(one.op, one.ev, () => driver.shutdown());
        return;
      case 'evtq_irq':
        for (const record of one.records) this.#bench.deliver?.('EVENTQ', record);
        check.operation(one.op, one.ev, () => driver.handleEvents());
        return;
      case 'priq_irq':
        this.#bench.deliver?.('PRIQ', one.record);
        check.operation(one.op, one.ev, () => driver.interrupts.handlePageRequests());
        return;
      case 'gerror_irq':
        // Nobody puts errors or faults into an SMMU of our own.
        if (this.#bench.deliver === null) return;
        check.equal(
          'ret',
          one.ret,
          Number(check.operation(one.op, one.ev, () => driver.interrupts.handleGlobalErrors())),
        );
        return;
      case 'page_response':
        if (this.#bench.deliver === null) return;
        check.operation(one.op, one.ev, () =>
          driver.interrupts.respondTo(this.#master(one.dev), one.stag, ANSWERS[one.code] ?? 'terminate'),
        );
        return;
      default:
        this.#onDomain(driver, one);
    }
  }

  #onDomain(driver: Smmuv3Driver, one: Extract<ArmSmmuV3Operation, { dom: number; ev: unknown }>): void {
    const check = this.#check;
    const { domain, gather } = this.#slot(one.dom);
    const name = `${one.op} of domain ${one.dom}`;
    switch (one.op) {
      case 'map': {
        const { iova, paddr, pgsize, pgcount, prot } = one;
        const ret = check.operation(name, one.ev, () =>
          domain === null ? -19 : domain.table.mapPages(iova, paddr, pgsize, pgcount, prot, 1),
        );
        check.equal('ret', one.ret, ret);
        check.equal('mapped', one.mapped, domain?.table.mapped ?? 0);
        return;
      }
      case 'unmap': {
        gather.queued = one.queued;
        const unmapped = check.operation(name, one.ev, () =>
          domain === null ? 0 : domain.table.unmapPages(one.iova, one.pgsize, one.pgcount, gather),
        );
        check.equal('unmapped', one.unmapped, unmapped);
        const start = gather.pageSize === 0 ? 2n ** 64n - 1n : BigInt(gather.start);
        check.equal('gather', one.gather.map(String), [start, BigInt(gather.end), BigInt(gather.pageSize)].map(String));
        return;
      }
      case 'iotlb_sync': {
        const [start, end, pageSize] = one.gather;
        Object.assign(gather, { start: Number(start), end: Number(end), pageSize });
        check.operation(name, one.ev, () => {
          if (domain !== null) driver.iotlbSync(domain, gather);
        });
        return;
      }
      case 'flush_iotlb_all':
        check.operation(name, one.ev, () => {
          if (domain !== null) driver.flushDomain(domain);
        });
        return;
      case 'tlb_flush_walk':
        check.operation(name, one.ev, () => {
          if (domain !== null) driver.invalidator.flushWalk(one.iova, one.size, one.granule, domain);
        });
        return;
      case 'domain_free':
        check.operation(name, one.ev, () => {
          if (domain !== null) driver.freeDomain(domain);
        });
        this.#domains.delete(one.dom);
        return;
      default:
    }
  }

  #probeDevice(driver: Smmuv3Driver, one: Extract<ArmSmmuV3Operation, { op: 'probe_device' }>): void {
    const check = this.#check;
    const master = check.operation(`${one.op} ${one.dev}`, one.ev, () =>
      driver.masters.add({
        device: one.dev,
        streamIds: one.sids,
        pci: one.pci,
        atsCapable: one.ats_cap,
        rootComplexAts: one.rc_ats,
        pasidBits: one.pasid_bits,
        canStall: one.can_stall,
      }),
    );
    check.equal('ret', one.ret, typeof master === 'number' ? master : 0);
    if (typeof master === 'number') return;
    check.equal('ssid_bits', one.ssid_bits, master.substreamBits);
    check.equal('stall_enabled', one.stall_enabled, master.stalls);
    this.#masters.set(one.dev, master);
  }

  #allocDomain(driver: Smmuv3Driver, one: Extract<ArmSmmuV3Operation, { op: 'domain_alloc' }>): void {
    const check = this.#check;
    const slot: DomainSlot = { domain: null, kind: one.kind, gather: newGather() };
    const late = this.#scenario.kernel === '6.12' && one.kind === 'stage2';
    const ret = check.operation(`${one.op} ${one.kind}`, one.ev, () =>
      late ? 0 : this.#finish(driver, slot, tableOf(one.domain)),
    );
    check.equal('ret', one.ret, ret);
    if (ret !== 0) return;
    this.#domains.set(one.dom, slot);
    if (slot.domain !== null) check.equal('domain', one.domain, describeDomain(slot.domain));
  }

  /** Gives a domain its table (Linux `arm_smmu_domain_finalise`). */
  #finish(driver: Smmuv3Driver, slot: DomainSlot, firstLevel: number): number {
    const { kind } = slot;
    const newest = this.#scenario.kernel === '7.3';
    const { stage2 } = driver.features;
    const below = kind === 'stage2' && (newest || stage2);
    this.#bench.machine.firstLevel = firstLevel;
    try {
      slot.domain = driver.createDomain(
        {
          ...(below ? { format: 'ARM_64_LPAE_S2' as const } : {}),
          ...(kind === 'dirty' ? { quirks: Quirk.ARM_HD } : {}),
        },
        { nestParent: newest && below },
      );
    } catch (error) {
      if (error instanceof ConfigError) return -EOPNOTSUPP;
      throw error;
    }
    return 0;
  }

  #attach(
    driver: Smmuv3Driver,
    one: Extract<ArmSmmuV3Operation, { op: `attach${string}` | 'set_dev_pasid' | 'remove_dev_pasid' }>,
  ): void {
    const check = this.#check;
    const { attacher } = driver;
    const master = this.#master(one.dev);
    const perform = (): number => {
      switch (one.op) {
        case 'attach_identity':
        case 'attach_blocked':
          attacher.attachStatic(master, one.op === 'attach_identity' ? 'identity' : 'blocked');
          return 0;
        case 'remove_dev_pasid':
          attacher.detachSubstream(master, one.pasid);
          return 0;
        default: {
          const slot = this.#slot(one.dom);
          if (slot.domain === null) this.#finish(driver, slot, this.#laterTable(one));
          if (slot.domain === null) return -EOPNOTSUPP;
          return one.op === 'attach'
            ? attacher.attach(master, slot.domain)
            : attacher.attachSubstream(master, one.pasid, slot.domain);
        }
      }
    };
    const ret = check.operation(`${one.op} of device ${one.dev}`, one.ev, perform);
    if (one.op !== 'remove_dev_pasid') check.equal('ret', one.ret, ret);
    if (one.op === 'attach' && one.domain !== undefined) {
      const { domain } = this.#slot(one.dom);
      if (domain !== null) check.equal('domain', one.domain, describeDomain(domain));
    }
    for (const [sid, words] of Object.entries(one.ste)) {
      const found = entryAt(this.#bench.coherent.view, driver.streamTable.address(Number(sid)));
      check.equal(`ste ${sid}`, words.map(String), found.map(String));
    }
    for (const [ssid, words] of Object.entries(one.cd ?? {})) {
      const pa = master.contexts?.address(Number(ssid)) ?? -1;
      const found = pa < 0 ? [] : entryAt(this.#bench.coherent.view, pa);
      check.equal(
        `cd ${ssid}`,
        words.map(String).filter((word, i) => i > 0 || word !== '0'),
        found.map(String),
      );
    }
  }

  /** Where the first level of a domain lies that this attach finishes: an attach that fails does not say, a later one does. */
  #laterTable(one: Extract<ArmSmmuV3Operation, { op: 'attach' | 'set_dev_pasid' }>): number {
    const { ops } = this.#scenario;
    for (const later of ops.slice(ops.indexOf(one))) {
      if (later.op === 'domain_free' && later.dom === one.dom) break;
      if (later.op !== 'attach' || later.dom !== one.dom) continue;
      if (later.domain !== undefined) return tableOf(later.domain);
      const [words] = Object.values(later.ste);
      if (later.ret === 0 && words?.[3] !== undefined) return Number(words[3]);
    }
    return -1;
  }

  #master(dev: number): Master {
    const master = this.#masters.get(dev);
    if (master === undefined) throw new TypeError(`device ${dev} was never probed`);
    return master;
  }

  #slot(dom: number): DomainSlot {
    return this.#domains.get(dom) ?? { domain: null, kind: 'default', gather: newGather() };
  }
}

function tableOf(domain: Readonly<Record<string, unknown>> | undefined): number {
  return Number(domain?.['ttbr'] ?? domain?.['vttbr'] ?? -1);
}

/** The doublewords of an entry, trailing zeros cut. */
function entryAt(view: TableMemory, pa: number): bigint[] {
  const at = view.index(pa);
  const halves = view.words.subarray(at, at + STE_BYTES / 4);
  const words = Array.from(
    { length: 8 },
    (_, i) => BigInt(halves[2 * i] ?? 0) + (BigInt(halves[2 * i + 1] ?? 0) << 32n),
  );
  while (words.length > 0 && words.at(-1) === 0n) words.pop();
  return words;
}
