/**
 * The one event model: what every capture reader yields, whatever the file looked like, and what replay consumes.
 *
 * An event object is reused: a reader has one and overwrites it. Copy what has to outlive the next event.
 */

/** What happened. The kernel function that the event stands for is named. */
export const EventKind = {
  /** `iommu_map` mapped `[iova, iova + size)` to `pa`. */
  MAP: 0,
  /** `iommu_unmap` was asked to unmap `[iova, iova + size)`. */
  UNMAP: 1,
  /** A device was attached to a domain. */
  ATTACH: 2,
  /** A device was detached from its domain (kernels before 6.3). */
  DETACH: 3,
  /** A device joined an IOMMU group. */
  ADD_DEVICE: 4,
  /** A device left its IOMMU group. */
  REMOVE_DEVICE: 5,
  /** The DMA API handed out `[iova, iova + size)` for a device: follows the maps it caused, on the same CPU. */
  DMA_MAP: 6,
  /** The DMA API took `[iova, iova + size)` back: follows the unmaps it caused. iova is unknown for a scatter list before Linux 6.13. */
  DMA_UNMAP: 7,
  /** A coherent buffer is about to be taken back: precedes its unmap, on the same CPU. */
  DMA_FREE: 8,
  /** The IOMMU reported a translation fault of a device. */
  FAULT: 9,
  /** The tracer lost {@link TraceEvent.count} events here. */
  LOST: 10,
  /** An event of another kind, which replay does not need. */
  OTHER: 11,
  /** A device's access to {@link TraceEvent.iova} was translated to {@link TraceEvent.pa} (an emulator's own log tells so). */
  ACCESS: 12,
  /** The IOMMU was told to forget `[iova, iova + size)`, or all where these are unknown, of an ASID, or of all where that is unknown. */
  INVALIDATE: 13,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** How many kinds there are: the length of a table indexed by kind. */
export const EVENT_KINDS = 14;

/** What the CPU was doing when it recorded the event. */
export const Context = { UNKNOWN: -1, TASK: 0, SOFTIRQ: 1, HARDIRQ: 2, NMI: 3 } as const;
export type Context = (typeof Context)[keyof typeof Context];

/** What a driver asked the DMA API for. The functions of `include/linux/dma-mapping.h` that the events stand for are named. */
export const DmaRequest = {
  /** `dma_alloc_coherent` and its kin: a buffer for the device and the CPU at once. */
  ALLOC: 0,
  /** `dma_map_single`, `dma_map_page`, `dma_map_phys`: one piece of memory. */
  MAP_SINGLE: 1,
  /** `dma_map_sg`, `dma_map_sgtable`: a scattered buffer. */
  MAP_SG: 2,
  /** `dma_map_resource`: a device's registers. */
  MAP_RESOURCE: 3,
} as const;
export type DmaRequest = (typeof DmaRequest)[keyof typeof DmaRequest];

/** Stands in every field that an event does not carry. */
export const UNKNOWN = -1;

/** One event. Every field is always present, so that all events have one shape; {@link UNKNOWN} where the capture says nothing. */
export class TraceEvent {
  kind: EventKind = EventKind.OTHER;
  /** Seconds, or ticks of the trace clock when the capture was taken with one that counts (see `CaptureStats.clock`). */
  time = 0;
  /** First byte of the range, at most 52 bits. */
  iova: number = UNKNOWN;
  /** Physical address the range was mapped to. */
  pa: number = UNKNOWN;
  /** Bytes asked for. */
  size: number = UNKNOWN;
  /**
   * On a map: where the run of maps ends that this one begins, each continuing where the same thread's last one ended, as far as the reader
   * looked ahead. A scattered buffer is such a run; a map that does not begin one has its own end here.
   */
  runEnd: number = UNKNOWN;
  /** Bytes that an unmap really removed. */
  unmappedSize: number = UNKNOWN;
  /**
   * Protection of a map: Linux `IOMMU_READ` 1, `WRITE` 2, `CACHE` 4, `NOEXEC` 8, `MMIO` 16, `PRIV` 32. Of an access what it may do, of a
   * fault what was tried, in the same bits.
   */
  prot: number = UNKNOWN;
  /** Number of the domain that the capture names, in order of first sight; no two captures of a run share one. */
  domain: number = UNKNOWN;
  /** Number of the device in the reader's `devices`. A map or unmap has it when a `dma:*` event beside it names the device. */
  device: number = UNKNOWN;
  /** What the driver asked for, a {@link DmaRequest}: on `dma:*` events and on the maps and unmaps beside them. */
  request: number = UNKNOWN;
  /** Which way the data goes, a Linux `enum dma_data_direction`: 0 both ways, 1 to the device, 2 from it, 3 none: where `request` stands. */
  direction: number = UNKNOWN;
  /** StreamID, on accesses, faults and invalidations that name one. */
  stream: number = UNKNOWN;
  /** Address space whose translations an invalidation drops. */
  asid: number = UNKNOWN;
  /** IOMMU group, on the group events. */
  group: number = UNKNOWN;
  /** How many events a {@link EventKind.LOST} stands for; {@link UNKNOWN} when the tracer did not say. */
  count: number = UNKNOWN;
  cpu: number = UNKNOWN;
  /** Thread that ran; for an event in interrupt context that is whoever was interrupted. */
  pid: number = UNKNOWN;
  context: Context = Context.UNKNOWN;
  /** Line of the capture, or record of a binary one, from 1. */
  line = 0;
  /** Which capture of the run, from 0. */
  capture = 0;
}

/** Makes everything that describes the call unknown, kind and place in the capture excepted. */
export function clearCall(event: TraceEvent): void {
  event.iova = UNKNOWN;
  event.pa = UNKNOWN;
  event.size = UNKNOWN;
  event.runEnd = UNKNOWN;
  event.unmappedSize = UNKNOWN;
  event.prot = UNKNOWN;
  event.domain = UNKNOWN;
  event.device = UNKNOWN;
  event.request = UNKNOWN;
  event.direction = UNKNOWN;
  event.stream = UNKNOWN;
  event.asid = UNKNOWN;
  event.group = UNKNOWN;
  event.count = UNKNOWN;
}

/** Copies every field of `from`. */
export function copyEvent(from: TraceEvent, to: TraceEvent): void {
  to.kind = from.kind;
  to.time = from.time;
  to.iova = from.iova;
  to.pa = from.pa;
  to.size = from.size;
  to.runEnd = from.runEnd;
  to.unmappedSize = from.unmappedSize;
  to.prot = from.prot;
  to.domain = from.domain;
  to.device = from.device;
  to.request = from.request;
  to.direction = from.direction;
  to.stream = from.stream;
  to.asid = from.asid;
  to.group = from.group;
  to.count = from.count;
  to.cpu = from.cpu;
  to.pid = from.pid;
  to.context = from.context;
  to.line = from.line;
  to.capture = from.capture;
}
