import { ANY, type Mmu, type WalkMemory } from '../../../emulator/index.ts';
import { getField } from '../../../formats/index.ts';
import type { Smmuv3Features } from '../spec/index.ts';
import {
  ATC_INV_ALL,
  CFGI_RANGE_ALL,
  COMMAND_FIELDS,
  COMMAND_WORDS,
  CommandError,
  granuleShiftOfTg,
  Opcode,
  rangeBytes,
  SyncSignal,
} from '../spec/index.ts';
import { EL2_WORLD } from './regime.ts';

/** What commands reach outside the MMU's caches. */
export interface CommandEffects {
  /** Input address sizes, in bits, of the upper halves in use. */
  upperInputBits(): Iterable<number>;
  /** CMD_RESUME. */
  resume(streamId: number, tag: number, retry: boolean, abort: boolean): void;
  /** CMD_STALL_TERM. */
  terminateStalled(streamId: number): void;
  /** CMD_ATC_INV; `size` is Infinity for everything. @returns false when the device did not answer in time. */
  invalidateAtc(streamId: number, substreamId: number, iova: number, size: number): boolean;
  /** CMD_PRI_RESP. */
  respondToPageRequest(streamId: number, substreamId: number, group: number, response: number): void;
  /** CMD_SYNC is complete and asks to be signalled. */
  signal(sync: 'message' | 'interrupt' | 'event', address: number, data: number): void;
}

/** First address whose bit 63 is set. */
const UPPER_HALF = 2 ** 63;
const OPCODE = COMMAND_FIELDS.SYNC.opcode;
/** Bit that marks a command of the Secure state; such a command is illegal on a Non-secure queue. */
const SSEC = 1 << 10;

/**
 * Carries commands out (Arm IHI 0070, chapter 4), one at a time, and counts the cycles they take. Completion order is issue order.
 */
export class CommandConsumer {
  /** Commands by opcode. */
  readonly byOpcode = new Float64Array(256);
  /** Cycle up to which the commands consumed so far keep the SMMU busy. */
  busyUntil = 0;
  /** Commands carried out. */
  commands = 0;
  /** CR2.E2H. */
  e2h = false;
  readonly #words = new Uint32Array(COMMAND_WORDS);
  readonly #mmu: Mmu;
  readonly #memory: WalkMemory;
  readonly #features: Smmuv3Features;
  readonly #effects: CommandEffects;
  /** An ATC invalidation since the last CMD_SYNC was not answered. */
  #atcTimedOut = false;

  constructor(mmu: Mmu, memory: WalkMemory, features: Smmuv3Features, effects: CommandEffects) {
    this.#mmu = mmu;
    this.#memory = memory;
    this.#features = features;
    this.#effects = effects;
  }

  /** The doorbell was rung at cycle `now`. */
  awake(now: number): void {
    if (this.#mmu.config.deviations.invalidationIsFree) this.busyUntil = Math.max(this.busyUntil, now);
    else this.busyUntil = Math.max(this.busyUntil, now + this.#mmu.config.invalidation.doorbell);
  }

  /** Reads the command at `pa` and carries it out. @returns a {@link CommandError}. */
  execute(pa: number): number {
    const words = this.#words;
    for (let i = 0; i < COMMAND_WORDS; i += 2) {
      if (!this.#memory.read(pa + 4 * i, 8)) return CommandError.ABORT;
      words[i] = this.#memory.low;
      words[i + 1] = this.#memory.high;
    }
    return this.#perform();
  }

  /** Carries out a command that did not come through a queue in memory. @returns a {@link CommandError}. */
  carryOut(command: Uint32Array): number {
    this.#words.set(command);
    return this.#perform();
  }

  #perform(): number {
    const code = getField(this.#words, 0, OPCODE);
    const error = this.#dispatch(code);
    if (error === CommandError.NONE) {
      this.byOpcode[code] = (this.byOpcode[code] as number) + 1;
      this.commands++;
    }
    return error;
  }

  #dispatch(code: number): number {
    const words = this.#words;
    const features = this.#features;
    if (code <= Opcode.CFGI_CD_ALL && ((words[0] as number) & SSEC) !== 0) return CommandError.ILLEGAL;
    switch (code) {
      case Opcode.PREFETCH_CONFIG:
      case Opcode.PREFETCH_ADDR:
        // A hint: nothing has to happen.
        return CommandError.NONE;
      case Opcode.CFGI_STE:
      case Opcode.CFGI_STE_RANGE:
      case Opcode.CFGI_CD:
      case Opcode.CFGI_CD_ALL:
        return this.#configuration(code);
      case Opcode.TLBI_NH_ALL:
      case Opcode.TLBI_NH_ASID:
      case Opcode.TLBI_NH_VA:
      case Opcode.TLBI_NH_VAA:
        return features.stage1 ? this.#stage1(code) : CommandError.ILLEGAL;
      case Opcode.TLBI_EL2_ALL:
      case Opcode.TLBI_EL2_ASID:
      case Opcode.TLBI_EL2_VA:
      case Opcode.TLBI_EL2_VAA:
        return features.stage1 && features.el2 ? this.#el2(code) : CommandError.ILLEGAL;
      case Opcode.TLBI_S12_VMALL:
        if (!features.stage2) return CommandError.ILLEGAL;
        return this.#spend(this.#mmu.invalidation.byVmid(getField(words, 0, COMMAND_FIELDS.TLBI_S12_VMALL.VMID), true));
      case Opcode.TLBI_S2_IPA:
        return features.stage2 ? this.#stage2() : CommandError.ILLEGAL;
      case Opcode.TLBI_NSNH_ALL:
        return this.#spend(this.#mmu.invalidation.all());
      case Opcode.ATC_INV:
        return this.#atc();
      case Opcode.PRI_RESP:
        return this.#pageResponse();
      case Opcode.RESUME:
      case Opcode.STALL_TERM:
        return this.#stalled(code);
      case Opcode.SYNC:
        return this.#sync();
      default:
        return CommandError.ILLEGAL;
    }
  }

  #configuration(code: number): number {
    const words = this.#words;
    const streamId = getField(words, 0, COMMAND_FIELDS.CFGI_STE.StreamID);
    const { invalidation } = this.#mmu;
    if (code === Opcode.CFGI_CD) {
      return this.#spend(invalidation.substream(streamId, getField(words, 0, COMMAND_FIELDS.CFGI_CD.SubstreamID)));
    }
    if (code !== Opcode.CFGI_STE_RANGE) return this.#spend(invalidation.streams(streamId, streamId));
    const range = getField(words, 0, COMMAND_FIELDS.CFGI_STE_RANGE.Range);
    if (range === CFGI_RANGE_ALL) return this.#spend(invalidation.streams(0, Number.POSITIVE_INFINITY));
    const count = 2 ** (range + 1);
    const first = Math.floor(streamId / count) * count;
    return this.#spend(invalidation.streams(first, first + count - 1));
  }

  #stage1(code: number): number {
    const words = this.#words;
    const fields = COMMAND_FIELDS.TLBI_NH_VA;
    // Without stage 2 the VMID is reserved, and every entry has VMID 0 (section 4.4.2).
    const vmid = this.#features.stage2 ? getField(words, 0, fields.VMID) : 0;
    const { invalidation } = this.#mmu;
    if (code === Opcode.TLBI_NH_ALL) return this.#spend(invalidation.byVmid(vmid, false));
    const asid = getField(words, 0, fields.ASID);
    if (code === Opcode.TLBI_NH_ASID) return this.#spend(invalidation.byAsid(asid, vmid));
    return this.#address(code === Opcode.TLBI_NH_VA ? asid : ANY, vmid);
  }

  #el2(code: number): number {
    const { invalidation } = this.#mmu;
    const asid = this.e2h ? getField(this.#words, 0, COMMAND_FIELDS.TLBI_EL2_ASID.ASID) : 0;
    if (code === Opcode.TLBI_EL2_ALL) return this.#spend(invalidation.byVmid(EL2_WORLD, false));
    if (code === Opcode.TLBI_EL2_ASID) return this.#spend(invalidation.byAsid(asid, EL2_WORLD));
    return this.#address(code === Opcode.TLBI_EL2_VA ? asid : ANY, EL2_WORLD);
  }

  /** TLBI by input address, single or range. */
  #address(asid: number, vmid: number): number {
    const words = this.#words;
    const fields = COMMAND_FIELDS.TLBI_NH_VA;
    const size = this.#rangeSize();
    if (size < 0) return CommandError.ILLEGAL;
    const leaf = getField(words, 0, fields.Leaf) !== 0;
    const va = getField(words, 0, fields.Address);
    if (va < UPPER_HALF) return this.#span(va, size, asid, vmid, leaf, false);
    // The caches know an address of the upper half by the bits that its table translates.
    for (const bits of this.#effects.upperInputBits()) {
      this.#span(va - Math.floor(va / 2 ** bits) * 2 ** bits, size, asid, vmid, leaf, true);
    }
    return CommandError.NONE;
  }

  #span(iova: number, size: number, asid: number, vmid: number, leaf: boolean, upper: boolean): number {
    const { invalidation } = this.#mmu;
    if (size === 0) return this.#spend(invalidation.byAddress(iova, asid, vmid, leaf, upper));
    return this.#spend(invalidation.byRange(iova, iova + size, asid, vmid, leaf, upper));
  }

  #stage2(): number {
    const words = this.#words;
    const fields = COMMAND_FIELDS.TLBI_S2_IPA;
    const size = this.#rangeSize();
    if (size < 0) return CommandError.ILLEGAL;
    const leaf = getField(words, 0, fields.Leaf) !== 0;
    const vmid = getField(words, 0, fields.VMID);
    const ipa = getField(words, 0, fields.Address);
    const { invalidation } = this.#mmu;
    if (size === 0) return this.#spend(invalidation.byIpa(ipa, vmid, leaf));
    return this.#spend(invalidation.byIpaRange(ipa, ipa + size, vmid, leaf));
  }

  /** Bytes of a range invalidation, 0 for one address, -1 for the reserved combination (section 4.4.1.1). */
  #rangeSize(): number {
    if (!this.#features.rangeInvalidation) return 0;
    const words = this.#words;
    const fields = COMMAND_FIELDS.TLBI_NH_VA;
    const tg = getField(words, 0, fields.TG);
    if (tg === 0) return 0;
    const num = getField(words, 0, fields.NUM);
    const scale = getField(words, 0, fields.SCALE);
    let ttl = getField(words, 0, fields.TTL);
    // A 16 KiB table has no leaves at level 1 without 52-bit addresses: the hint counts as none.
    if (granuleShiftOfTg(tg) === 14 && ttl === 1) ttl = 0;
    if (ttl > 0) this.#mmu.invalidation.observer?.levelHint?.(ttl);
    if (num === 0 && scale === 0) {
      // One granule is what the plain command does, level hint apart, and that finds its entry without a search.
      return ttl === 0 ? -1 : 0;
    }
    return rangeBytes(num, scale, tg);
  }

  #atc(): number {
    if (!this.#features.ats) return CommandError.ILLEGAL;
    const words = this.#words;
    const fields = COMMAND_FIELDS.ATC_INV;
    const log2Pages = getField(words, 0, fields.Size);
    const substream =
      getField(words, 0, fields.SSV) !== 0 && getField(words, 0, fields.Global) === 0
        ? getField(words, 0, fields.SubstreamID)
        : -1;
    const size = log2Pages >= ATC_INV_ALL ? Number.POSITIVE_INFINITY : 4096 * 2 ** log2Pages;
    const at = log2Pages >= ATC_INV_ALL ? 0 : Math.floor(getField(words, 0, fields.Address) / size) * size;
    if (!this.#effects.invalidateAtc(getField(words, 0, fields.StreamID), substream, at, size)) {
      this.#atcTimedOut = true;
    }
    return CommandError.NONE;
  }

  #pageResponse(): number {
    if (!this.#features.pri) return CommandError.ILLEGAL;
    const words = this.#words;
    const fields = COMMAND_FIELDS.PRI_RESP;
    const response = getField(words, 0, fields.Resp);
    if (response === 3) return CommandError.ILLEGAL;
    const substream = getField(words, 0, fields.SSV) !== 0 ? getField(words, 0, fields.SubstreamID) : -1;
    this.#effects.respondToPageRequest(
      getField(words, 0, fields.StreamID),
      substream,
      getField(words, 0, fields.PRGIndex),
      response,
    );
    return CommandError.NONE;
  }

  #stalled(code: number): number {
    if (this.#features.stallModel === 1) return CommandError.ILLEGAL;
    const words = this.#words;
    const fields = COMMAND_FIELDS.RESUME;
    const streamId = getField(words, 0, fields.StreamID);
    if (code === Opcode.STALL_TERM) this.#effects.terminateStalled(streamId);
    else {
      const abort = getField(words, 0, fields.Ab) !== 0 || this.#features.terminateAborts;
      this.#effects.resume(streamId, getField(words, 0, fields.STAG), getField(words, 0, fields.Ac) !== 0, abort);
    }
    return CommandError.NONE;
  }

  #sync(): number {
    const words = this.#words;
    const fields = COMMAND_FIELDS.SYNC;
    const signal = getField(words, 0, fields.CS);
    if (signal === 3) return CommandError.ILLEGAL;
    if (this.#atcTimedOut) {
      this.#atcTimedOut = false;
      return CommandError.ATC_INV_SYNC;
    }
    this.busyUntil += this.#mmu.invalidation.sync(this.busyUntil, this.#mmu.busyUntil);
    this.#mmu.invalidation.observer?.completed?.();
    if (signal === SyncSignal.SEV) this.#effects.signal('event', 0, 0);
    else if (signal === SyncSignal.IRQ) {
      const address = this.#features.msi ? getField(words, 0, fields.MSIAddress) : 0;
      this.#effects.signal(address === 0 ? 'interrupt' : 'message', address, getField(words, 0, fields.MSIData));
    }
    return CommandError.NONE;
  }

  #spend(cycles: number): number {
    this.busyUntil += cycles;
    return CommandError.NONE;
  }
}
