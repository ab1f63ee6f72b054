/**
 * The protocol of the device server: a client sends requests of 32 bytes over a stream, and gets one response of 32 bytes for each, in
 * order; the response to a question for text is followed by the text. All numbers are little-endian.
 *
 *     request                                   response
 *      0  u8   operation                         0  u8   operation
 *      1  u8   flags of a translation            1  u8   status
 *      2  u16  tag, comes back                   2  u16  tag
 *      4  u32  StreamID                          4  u32  interrupts: a bit for each line
 *      8  u32  SubstreamID, ffffffff for none    8  u64  value
 *     12  u32  size, or number of a finding     16  u64  clock of the device after the request
 *     16  u64  address                          24  u32  cycles that the request took
 *     24  u64  value                            28  u32  detail
 */

export const PROTOCOL_VERSION = 1;

/** Bytes of a request, and of a response without its text. */
export const FRAME_BYTES = 32;

/** What a request asks. */
export const Operation = {
  /** value: {@link PROTOCOL_VERSION}. Response: value the version, detail the bytes of the register region. */
  HELLO: 0,
  /** A register at `address`. Response: value. */
  READ32: 1,
  READ64: 2,
  /** `value` goes to the register at `address`. */
  WRITE32: 3,
  WRITE64: 4,
  /** The access of `size` bytes at `address` by a stream. Response: value the physical address, cycles the latency, detail as {@link translationDetail}. */
  TRANSLATE: 5,
  /** The device's clock goes on by `value` cycles; 0 asks what it is. */
  TIME: 6,
  /** Acknowledges the edges in `value`. Response: interrupts and value as they were before that. */
  INTERRUPTS: 7,
  /** Text number `address` of {@link Text}. Response: value is its length in bytes, and that many follow, in UTF-8. */
  TEXT: 8,
  /** Everything is as it was when the server started, but the RAM and the clock. */
  RESET: 9,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** Flags of a translation: bits of `AccessFlag` (write 1, privileged 2, execute 4, upper half 8), and this one. */
export const KEEP_CLOCK = 0x80;
/** Flags that a request may have. */
export const TRANSLATION_FLAGS = 0x8f;

export const NO_SUBSTREAM = 0xffff_ffff;

/** What became of a request. */
export const Status = {
  OK: 0,
  /** A translation was refused: the detail says why. */
  FAULT: 1,
  /** The request itself is wrong; nothing has happened. */
  BAD_OPERATION: 0x80,
  /** Not aligned, or outside the registers; of a translation, above 52 bits. */
  BAD_ADDRESS: 0x81,
  /** 0, above 4096, or past the end of a 4 KiB page. */
  BAD_SIZE: 0x82,
  BAD_FLAGS: 0x83,
  BAD_STREAM: 0x84,
  /** Another version, or a time that is too large. */
  BAD_VALUE: 0x85,
  /** Another client is served; the connection ends. */
  BUSY: 0x86,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** Texts that can be asked for. */
export const Text = {
  /** Name of the MMU. */
  NAME: 0,
  /** Names of the interrupt lines, bit 0 first, one a line. */
  INTERRUPTS: 1,
  /** Counters of the MMU, as JSON. */
  COUNTERS: 2,
  /** What the sanitizer found: number `size`, from 0; empty behind the last. */
  FINDING: 3,
} as const;

/** Fault of a stream that has no usable configuration. */
export const NO_CONFIGURATION = 255;

/** What a translation's `detail` says. */
export interface TranslationDetail {
  /** `FaultKind`, or 255 for a stream without a usable configuration. */
  readonly fault: number;
  /** 1 or 2; 0 when no table was at fault. */
  readonly stage: number;
  readonly level: number;
  /** `Outcome`: how the access ended for the master. */
  readonly outcome: number;
  /** `HitFlag` bits: which caches served it. */
  readonly hit: number;
  /** `Permission` bits that the translation grants. */
  readonly permissions: number;
}

/** Bits 7:0 fault, 9:8 stage, 12:10 level, 14:13 outcome, 21:16 hit, 29:24 permissions. */
export function packDetail(detail: TranslationDetail): number {
  const { fault, stage, level, outcome, hit, permissions } = detail;
  const upper = ((hit & 0x3f) << 16) | ((permissions & 0x3f) << 24);
  return (fault | (stage << 8) | ((level & 7) << 10) | (outcome << 13) | upper) >>> 0;
}
