import { addressField, encodeInto } from '../../../../formats/index.ts';
import { RegisterPoll } from '../../../registers/index.ts';
import {
  CFGI_RANGE_ALL,
  CR1,
  Cr0,
  Cr2,
  Gbpa,
  IrqCtrl,
  QUEUE_BASE,
  REGISTERS,
  type RegisterName,
  STRTAB_BASE,
} from '../../spec/index.ts';
import type { DriverConfig } from '../config.ts';
import type { InterruptName, SmmuPlatform, SmmuPort } from '../port.ts';
import type { CommandQueue } from '../queues/index.ts';
import type { ProbedSmmu } from './probe.ts';

/** Where the structures are. */
export interface SmmuStructures {
  readonly streamTable: number;
  /** Value for STRTAB_BASE_CFG. */
  readonly streamTableFormat: number;
  readonly commandQueue: number;
  readonly eventQueue: number;
  /** -1 without a PRI queue. */
  readonly priQueue: number;
}

/** Microseconds that a control register may take. Linux `ARM_SMMU_POLL_TIMEOUT_US`. */
const TIMEOUT = 1_000_000;
const ALL_BITS = 0xffff_ffff;
/** Write-back, inner shareable: what tables and queues are. */
const WRITE_BACK = 1;
const INNER = 3;
/** Memory type of MSIs: Device-nGnRE. */
const MSI_MEMORY_TYPE = 1;

/** Brings an SMMU up and down, in the order of Linux's `arm_smmu_device_reset`. */
export class SmmuReset {
  readonly #port: SmmuPort;
  readonly #platform: SmmuPlatform;
  readonly #probed: ProbedSmmu;
  readonly #config: DriverConfig;
  readonly #poll: RegisterPoll;
  readonly #words = new Uint32Array(2);

  constructor(port: SmmuPort, platform: SmmuPlatform, probed: ProbedSmmu, config: DriverConfig) {
    this.#port = port;
    this.#platform = platform;
    this.#probed = probed;
    this.#config = config;
    this.#poll = new RegisterPoll(port, config.kernel);
  }

  /** Everything off, structures and queues in place, everything on. @returns false when the SMMU does not react */
  start(at: SmmuStructures, queue: CommandQueue): boolean {
    const { features, e2h } = this.#probed;
    // Left on by firmware: nothing may pass untranslated while it is off.
    if ((this.#read('CR0') & Cr0.SMMUEN) !== 0) this.#setBypass(Gbpa.ABORT);
    if (!this.stop()) return false;
    encodeInto(CR1, this.#words.fill(0), 0, {
      TABLE_SH: INNER,
      TABLE_OC: WRITE_BACK,
      TABLE_IC: WRITE_BACK,
      QUEUE_SH: INNER,
      QUEUE_OC: WRITE_BACK,
      QUEUE_IC: WRITE_BACK,
    });
    this.#write('CR1', this.#words[0] as number);
    this.#write('CR2', Cr2.PTM | Cr2.RECINVSID | (e2h ? Cr2.E2H : 0));
    encodeInto(STRTAB_BASE, this.#words.fill(0), 0, { ADDR: at.streamTable, RA: 1 });
    this.#write64('STRTAB_BASE');
    this.#write('STRTAB_BASE_CFG', at.streamTableFormat);
    this.#queue('CMDQ', at.commandQueue, this.#probed.commandQueueBits);
    let enables: number = Cr0.CMDQEN;
    if (!this.#enable(enables)) return false;
    queue.add('CFGI_STE_RANGE', { Range: CFGI_RANGE_ALL });
    queue.sync();
    if (features.el2) {
      queue.add('TLBI_EL2_ALL', {});
      queue.sync();
    }
    queue.add('TLBI_NSNH_ALL', {});
    queue.sync();
    this.#queue('EVENTQ', at.eventQueue, this.#probed.eventQueueBits);
    enables |= Cr0.EVENTQEN;
    if (!this.#enable(enables)) return false;
    if (at.priQueue >= 0) {
      this.#queue('PRIQ', at.priQueue, this.#probed.priQueueBits);
      enables |= Cr0.PRIQEN;
      if (!this.#enable(enables)) return false;
    }
    if (features.ats) {
      enables |= Cr0.ATSCHK;
      if (!this.#enable(enables)) return false;
    }
    if (!this.#interrupts(at.priQueue >= 0)) return false;
    return this.#enable(enables | Cr0.SMMUEN);
  }

  /** Everything off (`arm_smmu_device_disable`). @returns whether it was acknowledged */
  stop(): boolean {
    return this.#enable(0);
  }

  #interrupts(priQueue: boolean): boolean {
    if (!this.#acknowledged('IRQ_CTRL', 'IRQ_CTRLACK', 0)) return false;
    if (this.#config.interrupts === 'combined') this.#platform.requestInterrupt?.('combined');
    else this.#uniqueInterrupts(priQueue);
    return this.#acknowledged(
      'IRQ_CTRL',
      'IRQ_CTRLACK',
      IrqCtrl.GERROR | IrqCtrl.EVENTQ | (priQueue ? IrqCtrl.PRIQ : 0),
    );
  }

  /** Doorbells are cleared, set where there are MSIs, and the interrupts asked for (`arm_smmu_setup_unique_irqs`). */
  #uniqueInterrupts(priQueue: boolean): void {
    const names: readonly InterruptName[] = priQueue ? ['evtq', 'gerror', 'priq'] : ['evtq', 'gerror'];
    this.#words.fill(0);
    this.#write64('GERROR_IRQ_CFG0');
    this.#write64('EVENTQ_IRQ_CFG0');
    if (priQueue) this.#write64('PRIQ_IRQ_CFG0');
    let wired = this.#config.interrupts !== 'none';
    for (const name of names) {
      const message = this.#probed.features.msi ? (this.#platform.message?.(name) ?? null) : null;
      if (message === null) continue;
      wired = true;
      const source = name === 'evtq' ? 'EVENTQ' : name === 'gerror' ? 'GERROR' : 'PRIQ';
      encodeInto({ ADDR: DOORBELL }, this.#words, 0, { ADDR: 0 });
      this.#words[0] = (message.addressLow & ~3) >>> 0;
      this.#words[1] = message.addressHigh & DOORBELL.highMask;
      this.#write64(`${source}_IRQ_CFG0`);
      this.#write(`${source}_IRQ_CFG1`, message.data);
      this.#write(`${source}_IRQ_CFG2`, MSI_MEMORY_TYPE);
    }
    if (wired) for (const name of names) this.#platform.requestInterrupt?.(name);
  }

  /** Changes GBPA, which takes its time before and after (`arm_smmu_update_gbpa`). */
  #setBypass(bits: number): void {
    const value = this.#settledBypass();
    this.#write('GBPA', (value | bits | Gbpa.UPDATE) >>> 0);
    this.#settledBypass();
  }

  #settledBypass(): number {
    const from = this.#port.time;
    for (;;) {
      const value = this.#read('GBPA');
      if ((value & Gbpa.UPDATE) === 0 || this.#port.time - from > TIMEOUT) return value;
      this.#port.sleep(1, 1);
    }
  }

  #enable(bits: number): boolean {
    return this.#acknowledged('CR0', 'CR0ACK', bits);
  }

  /** Writes a register and waits until its other one shows the value (`arm_smmu_write_reg_sync`). */
  #acknowledged(register: RegisterName, by: RegisterName, value: number): boolean {
    this.#write(register, value);
    return this.#poll.until(REGISTERS[by].offset, ALL_BITS, value, 1, TIMEOUT);
  }

  /** Base and indexes of a queue. */
  #queue(name: 'CMDQ' | 'EVENTQ' | 'PRIQ', base: number, log2Size: number): void {
    encodeInto(QUEUE_BASE, this.#words.fill(0), 0, { ADDR: base, LOG2SIZE: log2Size, ALLOCATE: 1 });
    this.#write64(`${name}_BASE`);
    this.#write(`${name}_PROD`, 0);
    this.#write(`${name}_CONS`, 0);
  }

  #read(register: RegisterName): number {
    return this.#port.read32(REGISTERS[register].offset);
  }

  #write(register: RegisterName, value: number): void {
    this.#port.write32(REGISTERS[register].offset, value);
  }

  #write64(register: RegisterName): void {
    this.#port.write64(REGISTERS[register].offset, this.#words[0] as number, this.#words[1] as number);
  }
}

/** Address bits of an MSI doorbell that the SMMU has (`MSI_CFG0_ADDR_MASK`). */
const DOORBELL = addressField(2, 50, 'Doorbell, bits [51:2]');
