import { getField, setField, type TableMemory } from '../../../../formats/index.ts';
import { newStep, type StepListener } from '../../../cpus/index.ts';
import {
  CMDQ_CONS,
  COMMAND_BYTES,
  COMMAND_FIELDS,
  COMMAND_WORDS,
  CommandError,
  type CommandFields,
  type CommandName,
  encodeCommand,
  Opcode,
  REGISTERS,
  SyncSignal,
} from '../../spec/index.ts';
import type { DriverConfig } from '../config.ts';
import type { RangeCover } from '../invalidation/index.ts';
import type { SmmuPort } from '../port.ts';
import type { ProbedSmmu } from '../start/index.ts';

/** The TLBI commands that name an address. */
export type AddressCommand = 'TLBI_NH_VA' | 'TLBI_EL2_VA' | 'TLBI_S2_IPA';

/** The fields of the address commands lie in the same places; those that one does not have are reserved and 0. */
const TLBI = COMMAND_FIELDS.TLBI_NH_VA;

/** Microseconds that the SMMU may take for a CMD_SYNC. Linux `ARM_SMMU_POLL_TIMEOUT_US`. */
const TIMEOUT = 1_000_000;
/** Looks in a row before the CPU delays. Linux `ARM_SMMU_POLL_SPIN_COUNT`. */
const SPINS = 10;
/** Looks at a full queue that does not move, after which its commands are given up. Linux would look for ever. */
const PATIENCE = 1_000_000;

/** How the CPU waits, from one look to the next. */
class Waiting {
  readonly #port: SmmuPort;
  #events = false;
  #from = 0;
  #spins = 0;
  #delay = 1;

  constructor(port: SmmuPort) {
    this.#port = port;
  }

  /** @param events whether the SMMU's event ends a sleep */
  begin(events: boolean): void {
    this.#events = events;
    this.#from = this.#port.time;
    this.#spins = 0;
    this.#delay = 1;
  }

  /** Waits a little, each time a delay longer than the one before (Linux `queue_poll`). @returns false when time is up */
  turn(): boolean {
    const port = this.#port;
    if (port.time - this.#from > TIMEOUT) return false;
    if (this.#events) port.waitForEvent();
    else if (++this.#spins < SPINS) port.relax();
    else {
      port.delay(this.#delay);
      this.#delay *= 2;
      this.#spins = 0;
    }
    return true;
  }
}

/** Costs and the clock of the CPU that the commands are sent from. */
export interface CpuClock {
  /** Cycle at which the CPU is. */
  now: number;
  /** Cycle up to which the SMMU is busy with commands, where that is known. */
  readonly deviceBusy?: number;
}

/**
 * The driver's end of the command queue, after Linux's arm-smmu-v3 (`arm_smmu_cmdq_issue_cmdlist` on one CPU): commands gather in a
 * batch, a full batch goes to the queue, and the last one goes with a CMD_SYNC that is waited for. Counts commands, and the time the CPU
 * spends on them.
 *
 *     indexes    wrap flag, then the index: bits [log2Size:0]
 */
export class CommandQueue {
  /** Commands submitted, by opcode; CMD_SYNC among them. */
  readonly byOpcode = new Float64Array(256);
  /** Commands submitted, CMD_SYNC not among them. */
  commands = 0;
  syncs = 0;
  /** Cycles that the CPU spent on commands, waiting included. */
  cycles = 0;
  /** Of these, cycles of waiting for CMD_SYNC. */
  waitCycles = 0;
  /** Commands that the SMMU found wrong; the driver replaces each by a CMD_SYNC and goes on, as Linux does. */
  refused = 0;
  /** Times that the SMMU could not read a command. */
  fetchAborts = 0;
  /** CMD_SYNCs that ended because an ATC invalidation was not answered. */
  atcTimeouts = 0;
  /** CMD_SYNCs that were not done within a second. */
  timeouts = 0;
  /** Told of each list of commands, once it is through. */
  onStep: StepListener | null = null;

  readonly #port: SmmuPort;
  readonly #waiting: Waiting;
  readonly #memory: TableMemory;
  readonly #config: DriverConfig;
  readonly #clock: CpuClock;
  readonly #base: number;
  readonly #size: number;
  readonly #wrapMask: number;
  readonly #batch: Uint32Array;
  readonly #mostBatched: number;
  readonly #forcedSync: boolean;
  #batched = 0;
  /** The batch has commands that an erratum wants sent twice. */
  #maintenance = false;
  #prod = 0;
  /** What is known of the SMMU's read index. */
  #cons = 0;
  readonly #step = newStep();
  readonly #byMessage: boolean;
  readonly #byEvent: boolean;
  /** CMD_SYNC without its MSI address, which is that of the command itself. */
  readonly #syncCommand = new Uint32Array(COMMAND_WORDS);

  /**
   * @param memory the CPU's view of the queue: uncached for an SMMU that does not snoop
   * @param base address of 2^log2Size commands, aligned to their size
   */
  constructor(parts: {
    port: SmmuPort;
    memory: TableMemory;
    config: DriverConfig;
    clock: CpuClock;
    probed: ProbedSmmu;
    base: number;
    log2Size: number;
  }) {
    const { config, probed, log2Size } = parts;
    this.#port = parts.port;
    this.#waiting = new Waiting(parts.port);
    this.#memory = parts.memory;
    this.#config = config;
    this.#clock = parts.clock;
    this.#base = parts.base;
    this.#size = 2 ** log2Size;
    this.#wrapMask = 2 ** (log2Size + 1) - 1;
    this.#batch = new Uint32Array((config.batch + 1) * COMMAND_WORDS);
    this.#forcedSync = probed.forcedSync;
    this.#mostBatched = probed.forcedSync ? config.batch - 1 : config.batch;
    // Completion by MSI overwrites the CMD_SYNC in the queue, which the CPU sees only where the SMMU is coherent.
    this.#byMessage = config.wait === 'msi' && probed.polledByMessage;
    this.#byEvent = config.wait !== 'poll' && probed.sev;
    const CS = this.#byMessage ? SyncSignal.IRQ : SyncSignal.SEV;
    encodeCommand('SYNC', { CS, MSH: 3, MSIAttr: 15 }, this.#syncCommand, 0);
  }

  /** Adds a command to the batch. */
  add<N extends CommandName>(name: N, fields: CommandFields<N>): void {
    encodeCommand(name, fields, this.#batch, this.#next());
    if (isMaintenance(Opcode[name])) this.#maintenance = true;
  }

  /** Adds an address invalidation for what `cover` stands at. */
  addAddress(name: AddressCommand, cover: RangeCover, address: number, asid: number, vmid: number, leaf: number): void {
    const at = this.#next();
    const words = this.#batch;
    words[at] = Opcode[name];
    words[at + 1] = 0;
    words[at + 2] = 0;
    words[at + 3] = 0;
    setField(words, at, TLBI.NUM, cover.num);
    // Linux keeps five of the six bits (`CMDQ_TLBI_0_SCALE`).
    setField(words, at, TLBI.SCALE, cover.scale & 31);
    setField(words, at, TLBI.VMID, vmid);
    setField(words, at, TLBI.ASID, asid);
    setField(words, at, TLBI.Leaf, leaf);
    setField(words, at, TLBI.TTL, cover.ttl);
    setField(words, at, TLBI.TG, cover.tg);
    setField(words, at, TLBI.Address, address);
    this.#maintenance = true;
  }

  /** Sends what is in the batch, with a CMD_SYNC behind it, and waits for it. @returns false when it was not done in time */
  sync(): boolean {
    const twice = this.#maintenance && this.#config.erratum === 'tegra264';
    const count = this.#batched;
    const done = this.#submit(count, true);
    return twice ? this.#submit(count, true) : done;
  }

  /** Sends what is in the batch without waiting for it. */
  flush(): void {
    if (this.#batched > 0) this.#submit(this.#batched, false);
  }

  /**
   * Command queue error (Linux `__arm_smmu_cmdq_skip_err`): a command that the SMMU refused becomes a CMD_SYNC, one that it could not
   * read is read again once the error is acknowledged, and so is a CMD_SYNC that waited for an ATC invalidation in vain.
   */
  skipError(): void {
    const cons = Uint32Array.of(this.#port.read32(REGISTERS.CMDQ_CONS.offset));
    const error = getField(cons, 0, CMDQ_CONS.ERR);
    if (error === CommandError.NONE) return;
    if (error === CommandError.ATC_INV_SYNC) this.atcTimeouts++;
    else if (error === CommandError.ABORT) this.fetchAborts++;
    else {
      this.refused++;
      const pa = this.#address(getField(cons, 0, CMDQ_CONS.RD));
      encodeCommand('SYNC', { CS: SyncSignal.SEV, MSH: 3, MSIAttr: 15 }, this.#memory.words, this.#memory.index(pa));
      this.#memory.written(pa, COMMAND_BYTES);
    }
  }

  /** Place of the next command in the batch; a full batch goes off first. */
  #next(): number {
    if (this.#batched >= this.#mostBatched) {
      if (this.#forcedSync || (this.#maintenance && this.#config.erratum === 'tegra264')) this.sync();
      else this.#submit(this.#batched, false);
    }
    return this.#batched++ * COMMAND_WORDS;
  }

  #address(index: number): number {
    return this.#base + (index & (this.#size - 1)) * COMMAND_BYTES;
  }

  #submit(count: number, sync: boolean): boolean {
    const words = this.#batch;
    const total = count + (sync ? 1 : 0);
    const syncIndex = (this.#prod + count) & this.#wrapMask;
    this.#batched = 0;
    this.#maintenance = false;
    if (!this.#makeRoom(total)) return false;
    if (sync) {
      const at = count * COMMAND_WORDS;
      words.set(this.#syncCommand, at);
      if (this.#byMessage) setField(words, at, COMMAND_FIELDS.SYNC.MSIAddress, this.#address(syncIndex));
    }
    this.#store(total);
    this.commands += count;
    const { reserve, command, doorbell } = this.#config.cost;
    const work = reserve + total * command + doorbell;
    this.#spend(work);
    const from = this.#clock.now;
    const step = this.#step;
    step.slots = total;
    step.sync = sync;
    step.work = work;
    step.before = (this.#clock.deviceBusy ?? from) - from;
    this.#port.write32(REGISTERS.CMDQ_PROD.offset, this.#prod);
    step.after = (this.#clock.deviceBusy ?? from) - from;
    step.waited = 0;
    if (!sync) {
      this.onStep?.(step);
      return true;
    }
    this.syncs++;
    const done = this.#byMessage ? this.#waitForMessage(syncIndex) : this.#waitForConsumption(syncIndex);
    const waited = this.#clock.now - from;
    this.cycles += waited;
    this.waitCycles += waited;
    step.waited = waited;
    this.onStep?.(step);
    if (!done) {
      this.timeouts++;
      // For the message that Linux writes.
      this.#port.read32(REGISTERS.CMDQ_CONS.offset);
      this.#port.read32(REGISTERS.CMDQ_PROD.offset);
    }
    return done;
  }

  /** Copies the first commands of the batch into the queue. */
  #store(count: number): void {
    const words = this.#batch;
    const memory = this.#memory;
    for (let i = 0; i < count; i++) {
      const pa = this.#address(this.#prod + i);
      const to = memory.index(pa);
      const queue = memory.words;
      const from = i * COMMAND_WORDS;
      for (let word = 0; word < COMMAND_WORDS; word++) queue[to + word] = words[from + word] as number;
      memory.written(pa, COMMAND_BYTES);
      const code = (words[from] as number) & 0xff;
      this.byOpcode[code] = (this.byOpcode[code] as number) + 1;
    }
    this.#prod = (this.#prod + count) & this.#wrapMask;
  }

  #spend(cycles: number): void {
    this.cycles += cycles;
    this.#clock.now += cycles;
  }

  /** Waits until the queue has room (`arm_smmu_cmdq_poll_until_not_full`). @returns false when it never gets any */
  #makeRoom(count: number): boolean {
    for (let looks = 0; this.#space() < count; looks++) {
      if (looks === PATIENCE) return false;
      this.#cons = this.#port.read32(REGISTERS.CMDQ_CONS.offset) & this.#wrapMask;
    }
    return true;
  }

  #space(): number {
    return this.#size - ((this.#prod - this.#cons) & this.#wrapMask);
  }

  #waitForMessage(syncIndex: number): boolean {
    const waiting = this.#waiting;
    waiting.begin(false);
    const pa = this.#address(syncIndex);
    while (this.#port.load32(pa) !== 0) {
      if (!waiting.turn()) {
        this.#cons = syncIndex;
        return false;
      }
    }
    this.#cons = (syncIndex + 1) & this.#wrapMask;
    return true;
  }

  #waitForConsumption(syncIndex: number): boolean {
    const waiting = this.#waiting;
    waiting.begin(this.#byEvent);
    let inTime = true;
    while (inTime) {
      if (this.#consumed(syncIndex)) return true;
      inTime = waiting.turn();
      this.#cons = this.#port.read32(REGISTERS.CMDQ_CONS.offset) & this.#wrapMask;
    }
    return false;
  }

  /** Whether the SMMU has read past an index (`queue_consumed`). */
  #consumed(index: number): boolean {
    const mask = this.#size - 1;
    const sameLap = ((this.#cons ^ index) & this.#size) === 0;
    const past = (this.#cons & mask) > (index & mask);
    return sameLap ? past : !past;
  }
}

/** Commands that change what the SMMU remembers of configurations and translations. */
function isMaintenance(opcode: number): boolean {
  return opcode >= Opcode.CFGI_STE && opcode <= Opcode.TLBI_NSNH_ALL;
}
