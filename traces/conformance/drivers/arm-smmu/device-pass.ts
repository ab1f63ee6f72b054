import {
  type ContextFault,
  SMMU_HARDWARE,
  Smmuv2,
  type Smmuv2Domain,
  Smmuv2Driver,
  smmuv2Spec,
} from '../../../../devices/index.ts';
import { AccessFlag, Bus, BusView, TranslationRequest } from '../../../../emulator/index.ts';
import { TWO_32 } from '../../../../formats/index.ts';
import { hexText } from '../../../quantity.ts';
import type { DriverEvent } from '../event.ts';
import { TableMachine } from '../table-machine.ts';
import { firstTable } from './run-scenario.ts';
import type { ArmSmmuOperation, ArmSmmuScenario } from './scenario.ts';
import { addressIn, MAPPED_PA, ScenarioRun, type ScenarioStage } from './scenario-run.ts';

const { BANK, GR0, GR1, S2CR, SMR, STREAM_GROUP, StreamType } = smmuv2Spec;
/** FSR: all that one write clears. */
const ALL_FAULTS = 0xc000_01fe;

/** What a pass over a device came to. */
export interface DevicePass {
  /** Registers compared at the end, and accesses of masters made on the way. */
  readonly registers: number;
  readonly accesses: number;
  /** What is otherwise than recorded, one line each. */
  readonly differences: readonly string[];
}

/**
 * Performs the operations of a scenario with our driver on our device. Every register that keeps its value must end with the value
 * that the real driver wrote there last; a page that was mapped must be reached by the streams of its domain, and no longer once it was
 * unmapped and the TLB was waited for.
 */
export function performOnDevice(scenario: ArmSmmuScenario): DevicePass {
  const hardware = SMMU_HARDWARE[scenario.profile];
  const stage = new DeviceStage(scenario);
  const { machine, smmu } = stage;
  const driver = stage.operation('probe', scenario.probe.ev, () => {
    return new Smmuv2Driver(smmu, machine, {
      compatible: hardware.compatible,
      contextInterrupts: hardware.contextInterrupts,
      kernel: scenario.kernel,
      coherentWalk: scenario.coherent,
      disableBypass: scenario.disable_bypass,
      forceStage: scenario.force_stage,
    });
  });
  const run = new ScenarioRun(driver, machine, stage);
  for (const operation of scenario.ops) run.perform(operation);
  stage.finish();
  return stage;
}

class DeviceStage implements ScenarioStage, DevicePass {
  readonly machine: TableMachine;
  readonly smmu: Smmuv2;
  readonly differences: string[] = [];
  registers = 0;
  accesses = 0;
  /** Last value that the real driver wrote, by offset of the word. */
  readonly #written = new Map<number, number>();
  readonly #request = new TranslationRequest();
  readonly #halves = new Uint32Array(2);
  #what = '';

  constructor(scenario: ArmSmmuScenario) {
    const { id_regs, reset_values, smr_bits, profile } = scenario;
    this.machine = new TableMachine(firstTable(scenario), () => {});
    this.smmu = new Smmuv2({
      hardware: {
        ...SMMU_HARDWARE[profile],
        ...id_regs,
        sCR0: reset_values.sCR0,
        sACR: reset_values.sACR,
        ACTLR: reset_values.ACTLR,
        matchBits: smr_bits,
      },
      memory: new Bus(this.machine.memory, null).port('smmu', BusView.COHERENT),
      timing: { write: 10, read: 100, perMicrosecond: 1000 },
    });
  }

  operation<T>(what: string, events: readonly DriverEvent[], perform: () => T): T {
    this.#what = what;
    for (const event of events) this.#note(event);
    return perform();
  }

  equal(what: string, recorded: unknown, found: unknown): void {
    // What was recorded to be read from PAR is not what our tables map: everything is unmapped when this is asked.
    const wanted = what === 'phys' ? 0 : recorded;
    if (typeof wanted !== 'number' || wanted === found) return;
    this.#differs(`${what} is ${String(found)}, recorded ${wanted}`);
  }

  handle(_fault: ContextFault, answer: number): number {
    return answer;
  }

  /** Puts the device into the state that was recorded before an operation. */
  before(one: ArmSmmuOperation, domain: Smmuv2Domain | null): void {
    const { smmu } = this;
    if (one.op === 'resume') {
      smmu.reset();
      this.#written.clear();
    } else if (one.op === 'global_fault') {
      smmu.write32(GR0.sGFSR.offset, 0xffff_ffff);
      smmu.write32(GR0.sGFSRRESTORE.offset, one.sGFSR);
      smmu.write32(GR0.sGFSYNR0.offset, one.sGFSYNR0);
      smmu.write32(GR0.sGFSYNR1.offset, one.sGFSYNR1);
    } else if (one.op === 'context_fault' && domain?.context != null) {
      const at = smmu.pages.bank(domain.context.bank);
      smmu.write32(at + BANK.FSRRESTORE.offset, one.FSR);
      smmu.write32(at + BANK.FSYNR0.offset, one.FSYNR0);
      smmu.write64(at + BANK.FAR.offset, Number(one.FAR % BigInt(TWO_32)), Number(one.FAR / BigInt(TWO_32)));
      smmu.write32(smmu.pages.global1 + GR1.CBFRSYNRA.offset + 4 * domain.context.bank, one.CBFRSYNRA);
    }
  }

  after(one: ArmSmmuOperation, domain: Smmuv2Domain | null): void {
    if (domain?.context == null || (one.op !== 'map' && one.op !== 'unmap')) return;
    const { context } = domain;
    // A queued unmap drops nothing yet; of an upper half Linux drops the entries of another ASID.
    if (one.op === 'unmap' && (one.queued || context.upper)) return;
    const stream = this.#streamOf(context.bank);
    if (stream < 0) return;
    const { iova, upper } = addressIn(domain, one.iova);
    const flags = upper ? AccessFlag.UPPER : 0;
    const passed = this.smmu.translate(this.#request.ask(0, stream, -1, iova, flags, this.smmu.now));
    this.accesses++;
    if (one.op === 'map' && (!passed || this.#request.pa !== MAPPED_PA))
      this.#differs(`${hexText(iova)} is not reached`);
    if (one.op === 'unmap' && passed) this.#differs(`${hexText(iova)} is still reached`);
    this.smmu.write32(this.smmu.pages.bank(context.bank) + BANK.FSR.offset, ALL_FAULTS);
  }

  /** Compares what registers hold with what was written to them. */
  finish(): void {
    this.#what = 'the end';
    for (const { register, block, instance, offset } of this.smmu.registers.registers) {
      if (register.access !== 'rw' || ENDS_OTHERWISE.has(register.name)) continue;
      for (let half = 0; half < register.width / 32; half++) {
        const written = this.#written.get(offset + 4 * half);
        if (written === undefined) continue;
        this.registers++;
        const found = block.read(register, half as 0 | 1, instance);
        const kept = (written & (register.mask[half as 0 | 1] as number)) >>> 0;
        if (found !== kept)
          this.#differs(`${register.name} at ${hexText(offset)} is ${hexText(found)}, recorded ${hexText(kept)}`);
      }
    }
  }

  /** Remembers what a recorded event writes. */
  #note([kind, offset, value]: DriverEvent): void {
    if (kind === 'w32') this.#written.set(Number(offset), Number(value));
    if (kind !== 'w64') return;
    const whole = BigInt(String(value));
    this.#halves[0] = Number(whole % BigInt(TWO_32));
    this.#halves[1] = Number(whole / BigInt(TWO_32));
    this.#written.set(Number(offset), this.#halves[0]);
    this.#written.set(Number(offset) + 4, this.#halves[1]);
  }

  /** A stream that goes to a bank; -1 for none. */
  #streamOf(bank: number): number {
    const groups = this.smmu.registers.registers.filter(({ register }) => register.name === 'S2CR');
    for (const { block, instance } of groups) {
      const target = block.get(STREAM_GROUP.S2CR, instance);
      const routed = (target & S2CR.TYPE.lowMask) >>> S2CR.TYPE.lsb === StreamType.TRANSLATION;
      if (!routed || (target & S2CR.CBNDX.lowMask) !== bank) continue;
      const match = block.get(STREAM_GROUP.SMR, instance);
      if (!this.smmu.matchesStreams) return instance;
      const valid = (match & SMR.VALID.lowMask) !== 0 || (target & S2CR.EXIDVALID.lowMask) !== 0;
      if (valid) return match & SMR.ID.lowMask;
    }
    return -1;
  }

  #differs(text: string): void {
    this.differences.push(`${this.#what}: ${text}`);
  }
}

/** Registers whose end follows from the device, not from the last write. */
const ENDS_OTHERWISE: ReadonlySet<string> = new Set(['ACTLR', 'sACR']);
