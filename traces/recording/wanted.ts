/**
 * What a recording has to hold so that a replay can tell all: names of events, from the one table of what events mean, and the kprobes
 * that name the domain.
 */
import { MEANINGS, Shape } from '../capture/index.ts';

/** Group of the kprobe events, and name of the trace instance, that a recording makes. */
export const RECORDING_GROUP = 'tablewalk';

/** Events of the group `iommu` that mean something to a replay. */
export const IOMMU_EVENTS: readonly string[] = namesOf([Shape.CALL, Shape.GROUP, Shape.FAULT]);

/** Events of the group `dma`, which name the device of a mapping. */
export const DMA_EVENTS: readonly string[] = namesOf([Shape.DMA]);

/** One way to probe an event: definitions that must all be accepted by the kernel. */
export interface ProbeWay {
  /** What it takes from the kernel, for a person. */
  readonly about: string;
  readonly definitions: readonly string[];
}

/** A kprobe event, and the ways to define it, best first. */
export interface Probe {
  readonly event: string;
  readonly ways: readonly ProbeWay[];
}

const BY_NAME = 'arguments by name, from BTF';
const BY_PLACE = 'arguments by place, as in Linux 5.10 to 7.3';

const MAP_NAMES = 'domain=domain:x64 iova=iova:x64 paddr=paddr:x64 size=size:x64 prot=prot:x32';
const MAP_PLACES = 'domain=$arg1:x64 iova=$arg2:x64 paddr=$arg3:x64 size=$arg4:x64 prot=$arg5:x32';
const UNMAP_NAMES = 'domain=domain:x64 iova=iova:x64 size=size:x64';
const UNMAP_PLACES = 'domain=$arg1:x64 iova=$arg2:x64 size=$arg3:x64';

/**
 * The probes, each on the function of `drivers/iommu/iommu.c` that the plain event stands in. Every map goes through `__iommu_map`, from 6.16
 * on through `iommu_map_nosync`; every unmap through `__iommu_unmap`, or, where the compiler put that into its callers, through these two. Names
 * of arguments are looked up in the kernel's BTF (6.5 and later), so are members of structures (6.6 and later): `dev_name()` of a
 * device on a bus is its `kobj.name`. Without BTF no offset is known and the device is left to the plain attach line of the same call.
 */
export const PROBES: readonly Probe[] = [
  {
    event: 'dom_map',
    ways: [
      way(BY_NAME, 'dom_map', ['__iommu_map'], MAP_NAMES),
      way(BY_NAME, 'dom_map', ['iommu_map_nosync'], MAP_NAMES),
      way(BY_PLACE, 'dom_map', ['__iommu_map'], MAP_PLACES),
      way(BY_PLACE, 'dom_map', ['iommu_map_nosync'], MAP_PLACES),
    ],
  },
  {
    event: 'dom_unmap',
    ways: [
      way(BY_NAME, 'dom_unmap', ['__iommu_unmap'], UNMAP_NAMES),
      way(BY_PLACE, 'dom_unmap', ['__iommu_unmap'], UNMAP_PLACES),
      way(BY_NAME, 'dom_unmap', ['iommu_unmap', 'iommu_unmap_fast'], UNMAP_NAMES),
      way(BY_PLACE, 'dom_unmap', ['iommu_unmap', 'iommu_unmap_fast'], UNMAP_PLACES),
    ],
  },
  {
    event: 'dom_attach',
    ways: [
      way(BY_NAME, 'dom_attach', ['__iommu_attach_device'], 'domain=domain:x64 dev=+0(dev->kobj.name):string'),
      way(BY_PLACE, 'dom_attach', ['__iommu_attach_device'], 'domain=$arg1:x64'),
    ],
  },
];

function way(about: string, event: string, functions: readonly string[], fields: string): ProbeWay {
  return { about, definitions: functions.map((name) => `p:${RECORDING_GROUP}/${event} ${name} ${fields}`) };
}

function namesOf(shapes: readonly Shape[]): string[] {
  return MEANINGS.filter(({ shape }) => shapes.includes(shape)).map(({ name }) => name);
}
