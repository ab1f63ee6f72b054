import { EventKind, type TraceEvent, UNKNOWN } from '../../capture/index.ts';

/** Group numbers from here on stand for devices without a group. */
const LONE_DEVICES = 2 ** 30;

/** What the attach lines of a capture tell: which devices share a domain, and how many domains there should be. */
export class Attachments {
  readonly #groupOfDevice = new Map<number, number>();
  readonly #attached = new Set<number>();
  readonly #groups = new Set<number>();
  #again = 0;

  /** Domains that the capture should have by now; 0 when it attaches no device. */
  get domains(): number {
    return this.#groups.size + this.#again;
  }

  /** Devices of one group share a domain; a device whose group the capture does not tell is a group of its own. */
  groupOf(device: number): number {
    return this.#groupOfDevice.get(device) ?? LONE_DEVICES + device;
  }

  /** The IOMMU group of that number, or -1 for one that stands for a lone device. */
  static groupNumber(group: number): number {
    return group < LONE_DEVICES ? group : UNKNOWN;
  }

  /** Devices attached now that are of this group. */
  devicesOf(group: number): number[] {
    return [...this.#attached].filter((device) => this.groupOf(device) === group);
  }

  /**
   * Takes any event.
   * @returns the group whose domain is another one from here on, since its device was attached again (its type was switched, or it went to a virtual
   * machine), detached or removed; -1 mostly
   */
  take(event: TraceEvent): number {
    const { kind, device } = event;
    if (kind === EventKind.ADD_DEVICE) {
      if (event.group !== UNKNOWN) this.#groupOfDevice.set(device, event.group);
      return UNKNOWN;
    }
    if (kind === EventKind.DETACH || kind === EventKind.REMOVE_DEVICE) {
      this.#attached.delete(device);
      return this.groupOf(device);
    }
    if (kind !== EventKind.ATTACH || device === UNKNOWN) return UNKNOWN;
    const group = this.groupOf(device);
    this.#groups.add(group);
    if (!this.#attached.has(device)) {
      this.#attached.add(device);
      return UNKNOWN;
    }
    this.#again++;
    return group;
  }
}
