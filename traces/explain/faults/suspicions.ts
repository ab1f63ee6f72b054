import { hexText } from '../../quantity.ts';
import type { FaultDraft } from './fault.ts';

/** Offset of GITS_TRANSLATER in the ITS's second frame (Arm IHI 0069): where message-signalled interrupts are written to. */
const DOORBELL_OFFSET = 0x40n;
const PAGE = 0xfffn;
const FOUR_GIB = 2n ** 32n;

/** Faults that say that an address is not, or wrongly, mapped: only these have something to do with the address. */
const OF_ADDRESS =
  /^(F_TRANSLATION|F_ADDR_SIZE|TF|TRANSLATION|(?:A[RW] )?page fault|fault|EMEM address decode|io_page_fault|PRI request)|TRANSLATION_FAULT/i;

/** Interrupt messages come through these; the others serve GPUs, cameras and displays, which send none. */
const OF_BUSES: ReadonlySet<string> = new Set(['arm-smmu-v3', 'arm-smmu', 'ipmmu-vmsa', 'trace']);
/** GPUs may use the CPU's own addresses, and MediaTek has several spaces of 4 GiB, so large ones say nothing there. */
const OF_LARGE_ADDRESSES: ReadonlySet<string> = new Set(['adreno', 'panfrost', 'panthor', 'mali', 'lima', 'mtk-iommu']);

/** Adds what the address, the kind of access and the level alone make one suspect. What needs a capture is added by `why`. */
export function suspect(fault: FaultDraft): void {
  const { suspicions, level, write, source } = fault;
  if (fault.name === 'C_BAD_STREAMID' || fault.name.includes('USF')) {
    const stream = fault.streamId === undefined ? 'the StreamID' : `StreamID ${hexText(fault.streamId)}`;
    suspicions.push({
      name: 'StreamID outside the table',
      evidence: `${stream} has no entry: the firmware's map from devices to StreamIDs, or the size of the table, is wrong`,
    });
  }
  if (fault.iova === undefined) return;
  const iova = BigInt(fault.iova);
  const isMiss = OF_ADDRESS.test(fault.name);
  if (iova <= PAGE && isMiss) {
    const what = iova === 0n ? 'the address is 0' : `the address ${fault.iova} lies in the first page`;
    suspicions.push({ name: 'null pointer', evidence: `${what}: a descriptor or register was never given one` });
  }
  if (write === true && (iova & PAGE) === DOORBELL_OFFSET && iova > PAGE && isMiss && OF_BUSES.has(source)) {
    suspicions.push({
      name: 'GIC doorbell',
      evidence: `a write to offset 0x040 of page ${hexText(iova & ~PAGE)}, where GITS_TRANSLATER is: the interrupt's doorbell is not mapped`,
    });
  }
  const isNear = level === undefined || level <= 1;
  // With a SubstreamID the address is most often that of a process.
  const isShared = (fault.substreamId ?? 0) !== 0;
  if (isMiss && iova >= FOUR_GIB && iova < 2n ** 48n && isNear && !isShared && !OF_LARGE_ADDRESSES.has(source)) {
    suspicions.push({
      name: 'physical address used as IOVA',
      evidence: `${fault.iova} is above 4 GiB${level === undefined ? '' : `, and nothing near it is mapped (level ${level})`}; the DMA API hands out addresses below 4 GiB first`,
    });
  }
  if (!isMiss || level === undefined) return;
  if (level <= 1) {
    suspicions.push({
      name: 'nothing mapped near',
      evidence: `the walk ended at level ${level}: the table is empty there, so the wrong device, an unused or fresh address space, or an address that was never an IOVA`,
    });
  } else if (level === 3) {
    suspicions.push({
      name: 'this page alone is gone',
      evidence:
        'the walk came to level 3: neighbours share the last table, so the page was unmapped too early, or the device ran past its buffer',
    });
  }
}
