import { LiveRanges } from '../../emulator/index.ts';
import { UNKNOWN } from '../capture/index.ts';

/** How a domain came to be known. */
export type DomainOrigin =
  /** The capture names it (`dom_map`, `dom_unmap`). */
  | 'named'
  /** The events name its device (`dma:*` events beside them). */
  | 'device'
  /** The user says that there is one only. */
  | 'single'
  /** Nothing names it: found because its mappings collide with those of the others. */
  | 'inferred';

/** One address space of the capture. */
export interface DomainInfo {
  readonly origin: DomainOrigin;
  /** Devices known to be in it, as numbers of the reader's `devices`. */
  readonly devices: readonly number[];
  /** IOMMU group, or -1. */
  readonly group: number;
  /** Which capture of the run. */
  readonly capture: number;
  /** Maps it was given. */
  readonly maps: number;
  readonly live: LiveRanges;
}

/** What the tracker knows of it. */
export class Domain implements DomainInfo {
  origin: DomainOrigin;
  readonly devices: number[] = [];
  group: number = UNKNOWN;
  readonly capture: number;
  maps = 0;
  readonly live = new LiveRanges();

  constructor(origin: DomainOrigin, capture: number) {
    this.origin = origin;
    this.capture = capture;
  }
}

/** An unmap that belongs to no domain. */
export const NO_DOMAIN = -1;
