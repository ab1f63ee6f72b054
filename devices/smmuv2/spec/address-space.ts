import { decodeField } from '../../../formats/index.ts';
import { ID1 } from './identification.ts';

/** Register pages of 64 KiB instead of 4 KiB: log2 of either. */
const PAGE_SHIFTS = [12, 16] as const;

/**
 * Where the pages of an SMMUv2 lie in its region (Arm IHI 0062D, section 9.1): the global half begins with global spaces 0 and 1, the
 * other half holds one page per context bank.
 */
export class RegisterPages {
  /** log2 of the bytes of a page. */
  readonly shift: number;
  /** Pages of the global half. */
  readonly globalPages: number;
  /** Offset of global space 1. */
  readonly global1: number;
  /** Offset of the first context bank. */
  readonly banks: number;

  /** @param id1 value of ID1 */
  constructor(id1: number) {
    this.shift = PAGE_SHIFTS[decodeField(ID1.PAGESIZE, id1, 0) as 0 | 1];
    this.globalPages = 2 ** (decodeField(ID1.NUMPAGENDXB, id1, 0) + 1);
    this.global1 = 2 ** this.shift;
    this.banks = this.globalPages * 2 ** this.shift;
  }

  /** Bytes of the whole region. */
  get size(): number {
    return 2 * this.banks;
  }

  /** Offset of a context bank. */
  bank(index: number): number {
    return this.banks + index * 2 ** this.shift;
  }
}
