/**
 * The vectors of the real drivers the other way round: the same operations on our device, whose registers must then hold what the real
 * driver wrote last, and whose accesses must find what is mapped.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { IPMMU_GENERATIONS, Ipmmu, type LinuxIpmmuDomain } from '../../../../devices/index.ts';
import {
  CONTEXT,
  contextBase,
  IMSTR,
  Imbuscr,
  Imctr,
  Imuctr,
  type IpmmuGeneration,
  MICRO_TLB,
  microTlbBase,
} from '../../../../devices/ipmmu/spec/index.ts';
import { masksOf } from '../../../../devices/registers/index.ts';
import { Bus, BusView, TranslationRequest } from '../../../../emulator/index.ts';
import type { DriverEvent } from '../../../../traces/conformance/drivers/index.ts';
import {
  type LinuxIpmmuOperation,
  LinuxIpmmuScenario,
  linuxIpmmuScenario,
} from '../../../../traces/conformance/drivers/ipmmu/linux.ts';
import { ScenarioMemory } from '../../../../traces/conformance/drivers/ipmmu/scenario-memory.ts';
import type { FaultRegisters, Stage } from '../../../../traces/conformance/drivers/ipmmu/stage.ts';
import { XenIpmmuScenario, xenIpmmuScenario } from '../../../../traces/conformance/drivers/ipmmu/xen.ts';

const VECTORS = new URL('../../../vectors/mmio/ipmmu/', import.meta.url);
const cases = (file: string): unknown[] =>
  gunzipSync(readFileSync(new URL(file, VECTORS)))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

const FAULT_BITS = Object.values(masksOf(IMSTR)).reduce((all, bits) => all | bits, 0);

/** What the registers of all contexts hold when a recording begins. */
interface Start {
  readonly imbuscr: number;
  readonly imstr: number;
}

/** Our device in the place of the recording. */
class DeviceStage implements Stage {
  readonly port: Ipmmu;
  readonly request = new TranslationRequest();
  /** After each operation: what the driver did is done. */
  after: (operation: number) => void = () => {};
  #operation = -1;
  /** By offset: what the real driver wrote last. */
  readonly #written = new Map<number, number>();
  readonly #bits: ReadonlyMap<number, number>;
  #answers: DriverEvent[] = [];

  constructor(generation: IpmmuGeneration, memory: ScenarioMemory, start: Start, leaves: number) {
    const port = new Bus(memory.memory, null).port('ipmmu', BusView.NON_COHERENT);
    this.port = new Ipmmu({ config: { generation: generation.name, leaves }, memory: port });
    this.#bits = comparedBits(generation);
    for (let context = 0; context < generation.contexts; context++) {
      this.port.root.contexts.set(CONTEXT.IMBUSCR, start.imbuscr, context);
      this.port.root.contexts.set(CONTEXT.IMSTR, start.imstr & FAULT_BITS, context);
    }
  }

  operation(name: string, events: readonly DriverEvent[], perform: () => void): void {
    this.#operation++;
    this.#answers = events.filter(([kind]) => kind === 'fault_handler');
    perform();
    // The recorded faults were there for one interrupt.
    if (name === 'irq') this.faults({});
    expect(this.#answers, name).toEqual([]);
    const written = events.flatMap(([kind, offset, value]) =>
      kind === 'w32' ? [[Number(offset), Number(value)] as const] : [],
    );
    for (const [offset, value] of written) this.#written.set(offset, value);
    this.#compare(name, new Map(written));
    this.after(this.#operation);
  }

  /** At the end of a case: every register that the driver ever wrote. */
  finish(): void {
    this.#compare('end', this.#written);
  }

  #compare(name: string, written: ReadonlyMap<number, number>): void {
    for (const [offset, value] of written) {
      const bits = this.#bits.get(offset % 0x100_0000) ?? -1;
      const found = this.port.read32(offset) & bits;
      if (found !== (value & bits)) expect.fail(`${name}: ${offset.toString(16)} is ${found}, wrote ${value}`);
    }
  }

  equal(what: string, recorded: unknown, found: unknown): void {
    if (BigInt(found as number) !== BigInt(recorded as number)) expect(found, what).toBe(recorded);
  }

  log(): void {}

  warn(): void {}

  faults(registers: FaultRegisters): void {
    const { contexts } = this.port.root;
    for (let context = 0; context < contexts.instances; context++) {
      // What is now in the register is not what was written.
      contexts.set(CONTEXT.IMSTR, 0, context);
      this.#written.delete(contextBase(this.port.generation, context) + CONTEXT.IMSTR.offset);
    }
    for (const [context, { IMSTR: status = 0, IMELAR, IMEAR, IMEUAR = 0 }] of Object.entries(registers)) {
      contexts.set(CONTEXT.IMSTR, status & FAULT_BITS, Number(context));
      contexts.set(CONTEXT.IMELAR, IMELAR ?? IMEAR ?? 0, Number(context));
      contexts.set(CONTEXT.IMEUAR, IMEUAR, Number(context));
    }
  }

  answerFault(iova: number, flags: number): number {
    const [, wantedIova, wantedFlags, answer] = this.#answers.shift() ?? [];
    expect([iova, flags]).toEqual([Number(wantedIova), wantedFlags]);
    return Number(answer);
  }

  /** Where an access of a context through a micro-TLB goes; -1 for a fault, of which no trace stays. */
  access(context: number, microTlb: number, iova: number): number {
    const { port, request } = this;
    const { contexts } = port.root;
    const before = contexts.get(CONTEXT.IMSTR, context);
    if (port.translate(request.ask(0, microTlb, -1, iova, 0, port.now))) return request.pa;
    contexts.set(CONTEXT.IMSTR, before, context);
    return -1;
  }
}

/** By offset in an IPMMU: bits that are compared where not all are. The device takes back the flush by itself. */
function comparedBits(generation: IpmmuGeneration): Map<number, number> {
  const bits = new Map<number, number>();
  for (let context = 0; context < generation.contexts; context++) {
    const base = contextBase(generation, context);
    bits.set(base + CONTEXT.IMCTR.offset, ~Imctr.FLUSH);
    bits.set(base + CONTEXT.IMBUSCR.offset, Imbuscr.DVM | Imbuscr.BUSSEL);
    bits.set(base + CONTEXT.IMSTR.offset, FAULT_BITS);
  }
  for (let microTlb = 0; microTlb < generation.microTlbs; microTlb++) {
    bits.set(microTlbBase(generation, microTlb) + MICRO_TLB.IMUCTR.offset, ~Imuctr.FLUSH);
  }
  return bits;
}

/** What an operation changed must be what an access of a master of its domain finds. */
function checkAccesses(stage: DeviceStage, scenario: LinuxIpmmuScenario, op: LinuxIpmmuOperation | undefined): number {
  if (op?.op !== 'map' && op?.op !== 'iotlb_sync') return 0;
  const domain = scenario.domains.get(op.dom) as LinuxIpmmuDomain;
  const microTlb = domain.unit?.microTlbContexts.indexOf(domain.context) ?? -1;
  const { table } = domain;
  if (microTlb < 0 || table === null) return 0;
  const places = op.op === 'map' ? [op.iova, op.iova + op.pgsize * op.pgcount - 1] : scenario.unmapped;
  for (const iova of places) {
    const pa = table.iovaToPhys(iova);
    // A table's answer for nothing is 0, an access gets a fault; recorded addresses are never near 0.
    expect(stage.access(domain.context, microTlb, iova), `iova ${iova.toString(16)}`).toBe(pa === 0 ? -1 : pa);
  }
  return places.length;
}

describe('the recorded operations of IPMMU drivers on our device', () => {
  it("Linux's leave every register as the real driver did, and accesses find what is mapped", () => {
    let accesses = 0;
    for (const [index, line] of cases('scenarios.linux-6.12.jsonl.gz').entries()) {
      // All were run when this was written; a third is enough for every day.
      if (index % 3 !== 0) continue;
      const scenario = v.parse(linuxIpmmuScenario, line);
      const memory = new ScenarioMemory(() => {});
      const probes = scenario.probe_leaf === undefined ? 1 : 2;
      const stage = new DeviceStage(IPMMU_GENERATIONS[scenario.gen], memory, scenario, 1);
      const run = new LinuxIpmmuScenario(scenario, stage, memory);
      stage.after = (index) => {
        accesses += checkAccesses(stage, run, scenario.ops[index - probes]);
      };
      run.run(scenario);
      stage.finish();
    }
    expect(accesses).toBeGreaterThan(1500);
  });

  it.each(['scenarios.xen-4.12.jsonl.gz', 'p2m-shared.xen-4.12.jsonl.gz'])('Xen: %s, likewise', (file) => {
    for (const line of cases(file)) {
      const scenario = v.parse(xenIpmmuScenario, line);
      const stage = new DeviceStage(IPMMU_GENERATIONS[scenario.gen], new ScenarioMemory(() => {}), scenario, 2);
      const tables = (base: () => number) => ({
        create: () => ({ base: base(), table: null, onFlush: () => {}, free: () => {} }),
      });
      new XenIpmmuScenario(scenario, stage, tables).run(scenario);
      stage.finish();
    }
  });
});
