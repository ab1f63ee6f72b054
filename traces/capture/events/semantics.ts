/**
 * What trace events mean: the one table that every reader looks in, whether it reads text, records or messages.
 *
 * Sources: `include/trace/events/iommu.h` and `include/trace/events/dma.h` of Linux 5.10 to 6.17 (names of events and fields), and the kprobes of
 * the group `iommudom` on `__iommu_map`, `__iommu_unmap` and `__iommu_attach_device`.
 */
import { Context, DmaRequest, EventKind, type TraceEvent, UNKNOWN } from './event.ts';

/** What a field of an event tells. */
export const Role = {
  /** `TraceEvent.iova`. */
  IOVA: 0,
  PA: 1,
  SIZE: 2,
  UNMAPPED_SIZE: 3,
  PROT: 4,
  /** A kernel pointer that stands for a domain. */
  DOMAIN: 5,
  /** Name of a device. */
  DEVICE: 6,
  GROUP: 7,
  DIRECTION: 8,
  /** A list of addresses; the first is the IOVA. */
  IOVAS: 9,
  /** A list of sizes; their sum is the size. */
  SIZES: 10,
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Which parts a line of an event must have, and in which form tracers print it. */
export const Shape = { CALL: 0, DOMAIN_CALL: 1, ATTACH: 2, GROUP: 3, DMA: 4, FAULT: 5 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** What an event means. */
export interface Meaning {
  readonly name: string;
  readonly kind: EventKind;
  readonly shape: Shape;
  /** A {@link DmaRequest}, or {@link UNKNOWN}. */
  readonly request: number;
  /** Roles by field name. */
  readonly fields: Readonly<Record<string, Role>>;
}

const CALL_FIELDS = {
  iova: Role.IOVA,
  paddr: Role.PA,
  size: Role.SIZE,
  unmapped_size: Role.UNMAPPED_SIZE,
  prot: Role.PROT,
  domain: Role.DOMAIN,
} as const;
const DEVICE_FIELDS = {
  device: Role.DEVICE,
  dev: Role.DEVICE,
  gid: Role.GROUP,
  groupID: Role.GROUP,
  domain: Role.DOMAIN,
} as const;
/** The record of an unmap calls the address `addr`, its text `dma_addr`; likewise `lengths` and `sizes`. */
const DMA_FIELDS = {
  device: Role.DEVICE,
  dma_addr: Role.IOVA,
  addr: Role.IOVA,
  size: Role.SIZE,
  dir: Role.DIRECTION,
  dma_addrs: Role.IOVAS,
  lengths: Role.SIZES,
  sizes: Role.SIZES,
} as const;

function call(name: string, kind: EventKind, shape: Shape): Meaning {
  return { name, kind, shape, request: UNKNOWN, fields: CALL_FIELDS };
}

function ofDevice(name: string, kind: EventKind, shape: Shape): Meaning {
  return { name, kind, shape, request: UNKNOWN, fields: { ...DEVICE_FIELDS, iova: Role.IOVA } };
}

function dma(kind: EventKind, request: DmaRequest, names: readonly string[]): Meaning[] {
  return names.map((name) => ({ name, kind, shape: Shape.DMA, request, fields: DMA_FIELDS }));
}

/** Every event that means something to a replay. The plain calls come first: {@link MAP_MEANING}, {@link UNMAP_MEANING}. */
export const MEANINGS: readonly Meaning[] = [
  call('map', EventKind.MAP, Shape.CALL),
  call('unmap', EventKind.UNMAP, Shape.CALL),
  call('dom_map', EventKind.MAP, Shape.DOMAIN_CALL),
  call('dom_unmap', EventKind.UNMAP, Shape.DOMAIN_CALL),
  ofDevice('dom_attach', EventKind.ATTACH, Shape.ATTACH),
  ofDevice('attach_device_to_domain', EventKind.ATTACH, Shape.GROUP),
  ofDevice('detach_device_from_domain', EventKind.DETACH, Shape.GROUP),
  ofDevice('add_device_to_group', EventKind.ADD_DEVICE, Shape.GROUP),
  ofDevice('remove_device_from_group', EventKind.REMOVE_DEVICE, Shape.GROUP),
  ofDevice('io_page_fault', EventKind.FAULT, Shape.FAULT),
  ...dma(EventKind.DMA_MAP, DmaRequest.MAP_SINGLE, ['dma_map_page', 'dma_map_phys']),
  ...dma(EventKind.DMA_MAP, DmaRequest.MAP_RESOURCE, ['dma_map_resource']),
  ...dma(EventKind.DMA_MAP, DmaRequest.MAP_SG, ['dma_map_sg']),
  ...dma(EventKind.DMA_MAP, DmaRequest.ALLOC, ['dma_alloc', 'dma_alloc_pages', 'dma_alloc_sgt']),
  ...dma(EventKind.DMA_UNMAP, DmaRequest.MAP_SINGLE, ['dma_unmap_page', 'dma_unmap_phys']),
  ...dma(EventKind.DMA_UNMAP, DmaRequest.MAP_RESOURCE, ['dma_unmap_resource']),
  ...dma(EventKind.DMA_UNMAP, DmaRequest.MAP_SG, ['dma_unmap_sg']),
  ...dma(EventKind.DMA_FREE, DmaRequest.ALLOC, ['dma_free', 'dma_free_pages', 'dma_free_sgt']),
];

/** Places in {@link MEANINGS} of the two that make up a capture. */
export const MAP_MEANING = 0;
export const UNMAP_MEANING = 1;

const BY_NAME = new Map(MEANINGS.map((meaning, index) => [meaning.name, index]));

/** Place in {@link MEANINGS} of the event with this name, or -1. */
export function meaningOf(name: string): number {
  return BY_NAME.get(name) ?? -1;
}

/** Addresses beyond this are not exact in a double, and beyond every SMMU. */
export const ADDRESS_LIMIT = 2 ** 52;

/**
 * Leaf entries that one map may need, 32 MiB of tables: more than any kernel sets up in one call, since the pages of one call are one piece
 * of physical memory, 16 GiB of it here whose addresses fit no huge page. A damaged size would otherwise fill the machine with tables.
 */
const MOST_LEAVES = 2 ** 22;
/** Pages of an unmap that does not say what it found. It may go over huge pages: 64 GiB of them. */
const MOST_UNMAPPED = 2 ** 24;
/** Sizes that a leaf may have, largest first, of the 4K granule: what a range may use depends on where IOVA and PA are congruent. */
const LEAF_SIZES = [2 ** 30, 2 ** 21];
const SMALLEST_LEAF = 4096;

/**
 * Why an event cannot be what it says it is, as a phrase; empty when it can.
 * @param end of the range, where the capture gives it beside the size; else {@link UNKNOWN}
 */
export function whyImpossible(meaning: Meaning, event: TraceEvent, end: number): string {
  switch (meaning.shape) {
    case Shape.CALL:
      return whyNoRange(event, end);
    case Shape.DOMAIN_CALL: {
      const reason = whyNoRange(event, end);
      return reason === '' && event.domain === UNKNOWN ? 'no domain' : reason;
    }
    case Shape.ATTACH:
      return event.domain === UNKNOWN ? 'no domain' : '';
    case Shape.FAULT:
      if (event.device === UNKNOWN) return 'no device';
      return event.iova === UNKNOWN ? 'no iova' : '';
    default:
      return event.device === UNKNOWN ? 'no device' : '';
  }
}

/** The same for the range of a map or unmap alone. */
export function whyNoRange(event: TraceEvent, end: number): string {
  const { iova, size, pa } = event;
  if (iova === UNKNOWN) return 'no iova';
  if (size === UNKNOWN) return 'no size';
  const isMap = event.kind === EventKind.MAP;
  if (isMap && pa === UNKNOWN) return 'no paddr';
  if (size === 0) return 'size is 0';
  if (iova + size > ADDRESS_LIMIT) return 'the range reaches beyond 52 bits';
  if (pa + size > ADDRESS_LIMIT) return 'paddr reaches beyond 52 bits';
  if (end !== UNKNOWN && end !== iova + size) return 'the end of the range is not iova + size';
  // It may exceed size: unmapping a part of a block can take the whole block.
  if (event.unmappedSize > ADDRESS_LIMIT) return 'unmapped_size reaches beyond 52 bits';
  // A plain unmap says how much it found; a kprobe at its start does not.
  if (!isMap && event.unmappedSize === UNKNOWN && size > MOST_UNMAPPED * SMALLEST_LEAF)
    return `the size is more than ${MOST_UNMAPPED} pages, more than a kernel maps at once`;
  if (isMap && size > MOST_LEAVES * SMALLEST_LEAF && size / largestLeaf(iova, pa) > MOST_LEAVES) {
    return `the size needs more than ${MOST_LEAVES} leaf entries, more than a kernel maps at once`;
  }
  return '';
}

function largestLeaf(iova: number, pa: number): number {
  return LEAF_SIZES.find((size) => (iova - pa) % size === 0) ?? SMALLEST_LEAF;
}

/** Directions by the names that `dma:*` events print, without the `DMA_` that older kernels have. */
export const DIRECTION_WORDS: readonly string[] = ['BIDIRECTIONAL', 'TO_DEVICE', 'FROM_DEVICE', 'NONE'];

/** What the CPU was doing, from the `common_flags` of a record (Linux `enum trace_flag_type`). */
export function contextOfFlags(flags: number): Context {
  if (flags < 0) return Context.UNKNOWN;
  if ((flags & 0x40) !== 0) return Context.NMI;
  if ((flags & 0x08) !== 0) return Context.HARDIRQ;
  return (flags & 0x10) !== 0 ? Context.SOFTIRQ : Context.TASK;
}
