import { RegisterBlock } from '../../registers/index.ts';
import { S2CR, SMR, STREAM_GROUP } from '../spec/index.ts';

/** Where a stream goes when it goes to no group. */
export const NoGroup = {
  /** No group matches. */
  UNIDENTIFIED: -1,
  /** Several groups match. */
  CONFLICT: -2,
} as const;

/** The stream mapping registers, and which group a stream belongs to (Arm IHI 0062D, section 2.4). */
export class StreamMatcher {
  readonly groups: RegisterBlock<keyof typeof STREAM_GROUP>;
  /** sCR0.EXIDENABLE: ids have 16 bits, and S2CR says which groups are valid. */
  extended = false;
  readonly #matches: boolean;
  readonly #bits: number;

  /**
   * @param matches streams are matched; else the id is the number of the group
   * @param bits that SMR keeps of id and mask
   * @param changed told when a register was written
   */
  constructor(count: number, matches: boolean, bits: number, changed: () => void) {
    this.#matches = matches;
    this.#bits = bits;
    // What is written is kept whatever EXIDENABLE says, which only decides how it is read: Linux writes ids of 16 bits before it.
    const keep = (value: number): number => {
      const mask = ((value >>> SMR.MASK.lsb) & bits) << SMR.MASK.lsb;
      return ((value & bits) | mask | (value & SMR.VALID.lowMask)) >>> 0;
    };
    this.groups = new RegisterBlock(
      STREAM_GROUP,
      { SMR: { write: (value) => (matches ? keep(value) : null), written: changed }, S2CR: { written: changed } },
      count,
    );
  }

  /**
   * Group of a stream, or a value of {@link NoGroup}.
   * @param first with several matching groups, the first one counts
   */
  find(streamId: number, first: boolean): number {
    const { groups } = this;
    if (!this.#matches) return streamId < groups.instances ? streamId : NoGroup.UNIDENTIFIED;
    const id = streamId & (this.extended ? 0xffff : 0x7fff);
    let found: number = NoGroup.UNIDENTIFIED;
    for (let group = 0; group < groups.instances; group++) {
      if (!this.#isValid(group)) continue;
      const value = groups.get(STREAM_GROUP.SMR, group);
      const mask = (value >>> SMR.MASK.lsb) & (this.extended ? 0xffff : 0x7fff);
      if (((id ^ value) & this.#bits & ~mask) !== 0) continue;
      if (found >= 0) return NoGroup.CONFLICT;
      found = group;
      if (first) return group;
    }
    return found;
  }

  #isValid(group: number): boolean {
    return this.extended
      ? (this.groups.get(STREAM_GROUP.S2CR, group) & S2CR.EXIDVALID.lowMask) !== 0
      : (this.groups.get(STREAM_GROUP.SMR, group) & SMR.VALID.lowMask) !== 0;
  }
}
