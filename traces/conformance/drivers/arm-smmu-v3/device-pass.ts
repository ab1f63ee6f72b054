/** A second pass over the scenarios: the same operations on our own SMMU, which must then do what its structures say. */
import * as v from 'valibot';
import {
  type CoherentMemory,
  DevicePort,
  DriverSchema,
  featuresOf,
  type Master,
  REGISTERS,
  Smmuv3,
  type Smmuv3Domain,
  type Smmuv3Driver,
} from '../../../../devices/index.ts';
import { AccessFlag, Bus, BusView, TranslationRequest } from '../../../../emulator/index.ts';
import { Prot } from '../../../../formats/index.ts';
import { hexText } from '../../../quantity.ts';
import { CaseCheck } from '../case-check.ts';
import type { DriverEvent } from '../event.ts';
import { Divergence, RegisterPlayer } from '../register-player.ts';
import { TableMachine } from '../table-machine.ts';
import { lowestAddress } from './run-scenario.ts';
import type { ArmSmmuV3Operation, ArmSmmuV3Scenario } from './scenario.ts';
import { ScenarioRun, type ScenarioState } from './scenario-run.ts';

/** Compares results, not events. */
class SilentPlayer extends RegisterPlayer {
  override play<T>(_events: readonly DriverEvent[], operation: () => T): T {
    return operation();
  }

  override warn(): void {}
}

/** Our SMMU, which says of itself what the recorded one said. */
class IdentifiedPort extends DevicePort {
  readonly #identity: ReadonlyMap<number, number>;

  constructor(identity: ReadonlyMap<number, number>, ...rest: ConstructorParameters<typeof DevicePort>) {
    super(...rest);
    this.#identity = identity;
  }

  override read32(offset: number): number {
    return this.#identity.get(offset) ?? super.read32(offset);
  }
}

export interface DevicePass {
  /** The first difference, or null. */
  readonly mismatch: CaseCheck['mismatch'];
  /** Accesses compared. */
  readonly accesses: number;
}

/**
 * Performs a scenario on our device. Returns, stream table entries and context descriptors must be the recorded ones after each operation;
 * an access to what was mapped or unmapped last must come out where the domain's table leads, and fault where it leads nowhere and all
 * invalidations are made.
 */
export function performOnDevice(scenario: ArmSmmuV3Scenario): DevicePass {
  const check = new CaseCheck(`arm-smmu-v3 on our device, id ${scenario.id}`, new SilentPlayer());
  const machine = new TableMachine(lowestAddress(scenario), () => {});
  const { memory } = machine;
  const [a = 0, b = 0, , d = 0, , f = 0] = scenario.idr;
  const features = { ...featuresOf([a, b, 0, d, 0, f]), coherent: scenario.fw_coherent };
  const smmu = new Smmuv3({ features, memory: new Bus(memory, null).port('smmu', BusView.COHERENT) });
  const identity = new Map(scenario.idr.map((value, i) => [REGISTERS.IDR0.offset + 4 * i, value]));
  identity.set(REGISTERS.IIDR.offset, scenario.iidr);
  const port = new IdentifiedPort(identity, smmu, memory, v.parse(DriverSchema, {}));
  const probe = new AccessProbe(smmu);
  const bench = {
    port,
    machine,
    coherent: recordedPlaces(scenario, machine),
    platform: {},
    deliver: null,
    observe: (driver: Smmuv3Driver, one: ArmSmmuV3Operation, state: ScenarioState) => probe.observe(driver, one, state),
  };
  check.run(() => new ScenarioRun(scenario, check, bench).perform());
  return { mismatch: check.mismatch, accesses: probe.accesses };
}

/** Structures lie where they were recorded, since their addresses stand in entries. */
function recordedPlaces({ probe, ops }: ArmSmmuV3Scenario, { memory }: TableMachine): CoherentMemory {
  const events = [probe.ev, ...ops.map(({ ev }) => ev)].flat();
  const places = events.flatMap(([kind, bytes, pa]) =>
    kind === 'alloc' ? [[Number(bytes), Number(pa)] as const] : [],
  );
  return {
    view: memory,
    allocate: (asked) => {
      const [bytes, pa = -1] = places.shift() ?? [];
      if (bytes !== asked) throw new Divergence('allocation', String(bytes), String(asked));
      for (let at = pa; at < pa + asked; at += 65536) {
        const index = memory.index(at);
        memory.words.fill(0, index, index + Math.min(asked, 65536) / 4);
      }
      return pa;
    },
    release: () => {},
  };
}

/** Accesses of the devices to what an operation just mapped, unmapped or invalidated. */
class AccessProbe {
  accesses = 0;
  readonly #smmu: Smmuv3;
  readonly #request = new TranslationRequest();
  /** The last addresses that each domain mapped, with their permissions. */
  readonly #mapped = new Map<number, { readonly iova: number; readonly prot: number }[]>();

  /** Domains with lazy unmaps, which only a flush of everything invalidates. */
  readonly #lazy = new Set<number>();

  constructor(smmu: Smmuv3) {
    this.#smmu = smmu;
  }

  observe(driver: Smmuv3Driver, one: ArmSmmuV3Operation, { masters, domains }: ScenarioState): void {
    if (one.op === 'domain_alloc') {
      this.#mapped.delete(one.dom);
      this.#lazy.delete(one.dom);
    }
    if (one.op === 'map' && one.ret === 0) {
      const list = this.#mapped.get(one.dom) ?? [];
      list.push(
        { iova: one.iova, prot: one.prot },
        { iova: one.iova + one.pgsize * (one.pgcount - 1), prot: one.prot },
      );
      this.#mapped.set(one.dom, list.slice(-8));
    }
    if (one.op === 'unmap' && one.queued) this.#lazy.add(one.dom);
    if (one.op === 'flush_iotlb_all') this.#lazy.delete(one.dom);
    if (one.op === 'shutdown') return;
    for (const master of masters.values()) {
      const { domain } = master;
      if (typeof domain === 'string') continue;
      for (const [dom, slot] of domains) {
        if (slot.domain !== domain) continue;
        const synced = slot.gather.pageSize === 0 && !this.#lazy.has(dom);
        this.#compare(master, domain, this.#mapped.get(dom) ?? [], synced);
      }
    }
    driver.handleEvents();
  }

  #compare(
    master: Master,
    domain: Smmuv3Domain,
    pages: readonly { readonly iova: number; readonly prot: number }[],
    synced: boolean,
  ): void {
    const [streamId = 0] = master.streamIds;
    // Linux lets a device with ATS stall at stage 2, which the architecture calls an ILLEGAL entry (section 5.2, EATS).
    if (master.ats && master.stalls && domain.stage === 'stage-2') return;
    for (const { iova, prot } of pages) {
      const expected = domain.table.iovaToPhys(iova);
      const mapped = expected > 0;
      // A lazy or pending unmap may still be in the TLBs; a fault of a device that stalls would wait for an answer.
      if (!mapped && (!synced || master.stalls || domain.attachments.size === 0)) continue;
      if ((prot & (Prot.READ | Prot.WRITE)) === 0) continue;
      const flags = (prot & Prot.READ) !== 0 ? AccessFlag.READ : AccessFlag.WRITE;
      const done = this.#smmu.translate(this.#request.ask(0, streamId, -1, iova, flags, 0));
      this.accesses++;
      if (done !== mapped)
        throw new Divergence(`access to ${hexText(iova)}`, mapped ? hexText(expected) : 'a fault', String(done));
      if (mapped && this.#request.pa !== expected) {
        throw new Divergence(`access to ${hexText(iova)}`, hexText(expected), hexText(this.#request.pa));
      }
    }
  }
}
