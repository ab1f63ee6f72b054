import { UNKNOWN } from './event.ts';

/** What whoever has read on knows of an event: the inferred domain that it is about. One object is used for many events. */
export class Decision {
  /** Number of the inferred domain of a map or unmap, of an attach that of the device; -1 for none. */
  slot: number = UNKNOWN;
  /** Number of the group of devices that a map's or unmap's inferred domain is known to be for, or {@link UNKNOWN}. */
  group: number = UNKNOWN;
  /** Whether events name a device of that group. */
  named = false;
}
