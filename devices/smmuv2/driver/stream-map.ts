import { Errno, encodeField } from '../../../formats/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import { S2CR, SMR, STREAM_GROUP, StreamType } from '../spec/index.ts';
import type { Smmuv2Features } from './features.ts';

/** Linux numbers that {@link Errno} lacks. */
const ENOSPC = 28;

/** One stream mapping group, as the driver remembers it. A group that nobody uses keeps its id and mask, which are written with it. */
interface Group {
  id: number;
  mask: number;
  valid: boolean;
  type: StreamType;
  bank: number;
  /** Stream ids of devices that use it. */
  users: number;
}

/**
 * Which streams go where: stream match and stream-to-context registers, shared between devices whose ids one entry covers
 * (Linux `arm_smmu_find_sme`, `arm_smmu_master_alloc_smes`).
 */
export class StreamMap {
  /** Bits of an id and of a mask that the match registers keep; the probe of {@link measure} finds them. */
  idMask: number;
  maskMask = 0;
  readonly #port: RegisterPort;
  readonly #matches: boolean;
  readonly #extended: boolean;
  readonly #idleType: StreamType;
  readonly #groups: Group[] = [];

  /** @param faultsWhenIdle a group without users faults; else it passes everything (module parameter `disable_bypass`) */
  constructor(port: RegisterPort, features: Smmuv2Features, faultsWhenIdle: boolean) {
    this.#port = port;
    this.#matches = features.streamMatch;
    this.#extended = features.extendedIds;
    this.#idleType = faultsWhenIdle ? StreamType.FAULT : StreamType.BYPASS;
    this.idMask = features.streamMask;
    for (let i = 0; i < features.groups; i++) {
      this.#groups.push({ id: 0, mask: 0, valid: false, type: this.#idleType, bank: 0, users: 0 });
    }
  }

  /** Writes every group as it stands. */
  writeAll(): void {
    for (let index = 0; index < this.#groups.length; index++) this.#write(index);
  }

  /** Finds out which bits the match registers keep, on the first group that is not in use. */
  measure(): void {
    if (!this.#matches) return;
    const index = this.#groups.findIndex((group) => !group.valid);
    if (index < 0) return;
    const offset = STREAM_GROUP.SMR.offset + 4 * index;
    this.#port.write32(offset, this.idMask);
    this.idMask = (this.#port.read32(offset) & SMR.ID.lowMask) >>> 0;
    this.#port.write32(offset, encodeField(SMR.MASK, this.idMask).low);
    this.maskMask = this.#port.read32(offset) >>> SMR.MASK.lsb;
    // Without EXIDENABLE the topmost bit is VALID, not part of the mask.
  }

  /**
   * Gives a device its groups: all of them, or none.
   * @param ids stream ids with the bits to ignore of each
   * @returns 0 or a negative error number; the groups are in `indices`
   */
  claim(ids: readonly StreamId[], indices: number[]): number {
    for (const { id, mask } of ids) {
      const index = this.#find(id, mask);
      if (index < 0) {
        // Nothing has been written yet, so that undoing touches no register.
        while (indices.length > 0) this.#leave(indices.pop() as number);
        return index;
      }
      const group = this.#groups[index] as Group;
      if (this.#matches && group.users === 0) {
        group.id = id;
        group.mask = mask;
        group.valid = true;
      }
      group.users++;
      indices.push(index);
    }
    for (const index of indices) this.#write(index);
    return 0;
  }

  /** A device goes away. */
  release(indices: readonly number[]): void {
    for (const index of indices) if (this.#leave(index)) this.#write(index);
  }

  /** Sends the streams of these groups elsewhere; a group that already goes there is not written. */
  route(indices: readonly number[], type: StreamType, bank: number): void {
    for (const index of indices) {
      const group = this.#groups[index] as Group;
      if (group.type === type && group.bank === bank) continue;
      group.type = type;
      group.bank = bank;
      this.#writeTarget(index);
    }
  }

  /** The group for an id: one that covers it wholly, else the first free one. */
  #find(id: number, mask: number): number {
    if (!this.#matches) return id;
    let free = -ENOSPC;
    for (let index = 0; index < this.#groups.length; index++) {
      const group = this.#groups[index] as Group;
      if (!group.valid) {
        if (free < 0) free = index;
        continue;
      }
      const covers = (mask & group.mask) === mask && ((id ^ group.id) & ~group.mask) === 0;
      if (covers) return index;
      // A stream id that two groups match is a fault, so that they may not overlap.
      if (((id ^ group.id) & ~(group.mask | mask)) === 0) return -Errno.EINVAL;
    }
    return free;
  }

  /** One user less. @returns whether it was the last */
  #leave(index: number): boolean {
    const group = this.#groups[index] as Group;
    if (--group.users > 0) return false;
    group.type = this.#idleType;
    group.bank = 0;
    group.valid = false;
    return true;
  }

  #write(index: number): void {
    this.#writeTarget(index);
    if (!this.#matches) return;
    const { id, mask, valid } = this.#groups[index] as Group;
    let value = encodeField(SMR.ID, id).low | encodeField(SMR.MASK, mask).low;
    if (valid && !this.#extended) value |= SMR.VALID.lowMask;
    this.#port.write32(STREAM_GROUP.SMR.offset + 4 * index, value >>> 0);
  }

  #writeTarget(index: number): void {
    const { type, bank, valid } = this.#groups[index] as Group;
    let value = encodeField(S2CR.TYPE, type).low | encodeField(S2CR.CBNDX, bank).low;
    if (valid && this.#extended) value |= S2CR.EXIDVALID.lowMask;
    this.#port.write32(STREAM_GROUP.S2CR.offset + 4 * index, value >>> 0);
  }
}

/** A stream id as the firmware gives it to a device. */
export interface StreamId {
  readonly id: number;
  /** Bits of the id that do not count. */
  readonly mask: number;
}
