import { getField, setField, type TableMemory } from '../../../formats/index.ts';
import type { Smmuv3 } from '../device/index.ts';
import {
  CMDQ_CONS,
  COMMAND_BYTES,
  COMMAND_FIELDS,
  COMMAND_WORDS,
  CommandError,
  type CommandFields,
  type CommandName,
  encodeCommand,
  Gerror,
  Opcode,
  REGISTERS,
  SyncSignal,
} from '../spec/index.ts';
import type { DriverConfig } from './config.ts';
import type { RangeCover } from './range-cover.ts';

/** The TLBI commands that name an address. */
export type AddressCommand = 'TLBI_NH_VA' | 'TLBI_EL2_VA' | 'TLBI_S2_IPA';

/** The fields of the address commands lie in the same places; those that one does not have are reserved and 0. */
const TLBI = COMMAND_FIELDS.TLBI_NH_VA;

/**
 * The driver's end of the command queue, after Linux 6.12's arm-smmu-v3: commands gather in a batch, a full batch goes to the
 * queue, and the last one goes with a CMD_SYNC that is waited for. Counts commands, and the time the CPU spends on them.
 */
export class DriverQueue {
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
  /** Cycle at which the CPU is. */
  now = 0;

  readonly #smmu: Smmuv3;
  readonly #memory: TableMemory;
  readonly #config: DriverConfig;
  readonly #base: number;
  readonly #indexMask: number;
  readonly #wrapMask: number;
  readonly #batch: Uint32Array;
  #batched = 0;
  #prod = 0;
  readonly #seenAfter: number;
  readonly #signal: number;
  /** CMD_SYNC without its MSI address, which is that of the command itself. */
  readonly #syncCommand = new Uint32Array(COMMAND_WORDS);

  /**
   * @param memory the CPU's view of the queue: uncached for an SMMU that does not snoop
   * @param base address of 2^log2Size commands, aligned to their size
   */
  constructor(smmu: Smmuv3, memory: TableMemory, config: DriverConfig, base: number, log2Size: number) {
    this.#smmu = smmu;
    this.#memory = memory;
    this.#config = config;
    this.#base = base;
    this.#indexMask = 2 ** log2Size - 1;
    this.#wrapMask = 2 ** (log2Size + 1) - 1;
    this.#batch = new Uint32Array((config.batch + 1) * COMMAND_WORDS);
    const { features } = smmu;
    const { cost, wait } = config;
    // Completion by MSI overwrites the CMD_SYNC in the queue, which the CPU sees only where the SMMU is coherent.
    if (wait === 'msi' && features.msi && features.coherent) {
      this.#signal = SyncSignal.IRQ;
      this.#seenAfter = cost.seenByMsi;
    } else if (wait !== 'poll' && features.sev) {
      this.#signal = SyncSignal.SEV;
      this.#seenAfter = cost.seenBySev;
    } else {
      this.#signal = SyncSignal.NONE;
      this.#seenAfter = cost.seenByPoll;
    }
    encodeCommand('SYNC', { CS: this.#signal, MSH: 3, MSIAttr: 15 }, this.#syncCommand, 0);
  }

  /** Adds a command to the batch. */
  add<N extends CommandName>(name: N, fields: CommandFields<N>): void {
    encodeCommand(name, fields, this.#batch, this.#next());
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
    setField(words, at, TLBI.SCALE, cover.scale);
    setField(words, at, TLBI.VMID, vmid);
    setField(words, at, TLBI.ASID, asid);
    setField(words, at, TLBI.Leaf, leaf);
    setField(words, at, TLBI.TTL, cover.ttl);
    setField(words, at, TLBI.TG, cover.tg);
    setField(words, at, TLBI.Address, address);
  }

  /** Sends what is in the batch, with a CMD_SYNC behind it, and waits for it. */
  sync(): void {
    const at = this.#batched * COMMAND_WORDS;
    this.#batch.set(this.#syncCommand, at);
    if (this.#signal === SyncSignal.IRQ) {
      setField(this.#batch, at, COMMAND_FIELDS.SYNC.MSIAddress, this.#address(this.#prod + this.#batched));
    }
    this.#batched++;
    this.#submit();
    this.syncs++;
    this.commands--;
    const done = this.#smmu.commands.busyUntil;
    const wait = Math.max(0, done - this.now) + this.#seenAfter;
    this.now += wait;
    this.cycles += wait;
    this.waitCycles += wait;
  }

  /** Sends what is in the batch without waiting for it. */
  flush(): void {
    if (this.#batched > 0) this.#submit();
  }

  /** Place of the next command in the batch; a full batch goes off first. */
  #next(): number {
    if (this.#batched === this.#config.batch) this.#submit();
    return this.#batched++ * COMMAND_WORDS;
  }

  #address(index: number): number {
    return this.#base + (index & this.#indexMask) * COMMAND_BYTES;
  }

  #submit(): void {
    const count = this.#batched;
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
    this.commands += count;
    this.#batched = 0;
    this.#prod = (this.#prod + count) & this.#wrapMask;
    const { reserve, command, doorbell } = this.#config.cost;
    const spent = reserve + count * command + doorbell;
    this.cycles += spent;
    this.now += spent;
    const smmu = this.#smmu;
    smmu.now = this.now;
    smmu.write32(REGISTERS.CMDQ_PROD.offset, this.#prod);
    if (smmu.interrupts.activeErrors !== 0) this.#recover();
  }

  /**
   * Global error interrupt (Linux `arm_smmu_cmdq_skip_err`): a command that the SMMU refused becomes a CMD_SYNC, one that it could
   * not read is read again. Where that fails too, the error stays, and the queue stands still.
   */
  #recover(): void {
    const smmu = this.#smmu;
    let readAgain = false;
    while ((smmu.interrupts.activeErrors & Gerror.CMDQ_ERR) !== 0) {
      const cons = Uint32Array.of(smmu.read32(REGISTERS.CMDQ_CONS.offset));
      const error = getField(cons, 0, CMDQ_CONS.ERR);
      if (error === CommandError.ATC_INV_SYNC) this.atcTimeouts++;
      else if (error === CommandError.ABORT) {
        this.fetchAborts++;
        if (readAgain) return;
        readAgain = true;
      } else {
        this.refused++;
        const pa = this.#address(getField(cons, 0, CMDQ_CONS.RD));
        const at = this.#memory.index(pa);
        encodeCommand('SYNC', {}, this.#memory.words, at);
        this.#memory.written(pa, COMMAND_BYTES);
      }
      smmu.write32(REGISTERS.GERRORN.offset, smmu.read32(REGISTERS.GERROR.offset));
    }
  }
}
