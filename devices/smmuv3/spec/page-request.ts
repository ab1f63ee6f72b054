/** Size of a PRI queue entry in 32-bit words. */
import { addressField, bitField, type Layout } from '../../../formats/index.ts';
export const PAGE_REQUEST_WORDS = 4;

/** A page request of a PCIe device, as the PRI queue holds it: 16 bytes (Arm IHI 0070, section 8.2). */
export const PAGE_REQUEST = {
  StreamID: bitField(0, 32, 'StreamID'),
  SubstreamID: bitField(32, 20, 'SubstreamID'),
  X: bitField(59, 1, 'Execution is wanted'),
  Priv: bitField(58, 1, 'Privileged'),
  R: bitField(60, 1, 'Reading is wanted'),
  W: bitField(61, 1, 'Writing is wanted'),
  Last: bitField(62, 1, 'Last request of its group: a response is expected'),
  SSV: bitField(63, 1, 'SubstreamID is valid'),
  PRGIndex: bitField(64, 9, 'Page request group'),
  Address: addressField(76, 52, 'Page'),
} as const satisfies Layout;

/** Values for the fields of a page request; those left out are 0. */
export type PageRequestFields = Partial<Readonly<Record<keyof typeof PAGE_REQUEST, number>>>;

/** Response to a page request group (CMD_PRI_RESP.Resp). */
export const PageResponse = { DENIED: 0, FAILURE: 1, SUCCESS: 2 } as const;
