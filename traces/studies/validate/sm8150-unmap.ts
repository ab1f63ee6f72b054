import { SMMU_HARDWARE, Smmuv2, Smmuv2Driver } from '../../../devices/index.ts';
import { Bus, BusView, type MmuOptions, PhysicalMemory, PRESETS } from '../../../emulator/index.ts';
import { ConfigError, type Machine, NO_PAGES, newGather, Prot } from '../../../formats/index.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const BLOCK = 2 * MIB;
const IOVA = 2 ** 32;
/** At 1 GHz a cycle is a nanosecond. */
const CYCLES_PER_MICROSECOND = 1000;

/**
 * SM8150's SMMUv2, whose registers lie behind a slow interconnect. Fitted to the six published totals, which leave open how they split:
 * a register write takes the processor `write` ns; a sync ends `broadcast + sync` ns after the last invalidation; the kernel's own work
 * for a table of 512 pages that goes away (clearing an entry, freeing the table) takes `tableGone` ns.
 */
const FITTED = { write: 119.5, read: 90, broadcast: 60, sync: 2140, tableGone: 560 } as const;

const SM8150: MmuOptions = {
  ...PRESETS['mmu-500-agilex7'],
  masters: 1,
  invalidation: {
    // Commands are register writes: nothing is fetched.
    commandsPerRead: 64,
    broadcast: FITTED.broadcast,
    sync: FITTED.sync,
    syncDrains: false,
  },
};

/** What the fit is made of, in words. */
export const SM8150_FIT =
  `${FITTED.write} ns a register write, ${FITTED.broadcast + FITTED.sync} ns a sync, ` +
  `${FITTED.tableGone} ns of kernel work for a table that goes away`;

/** One unmap of a buffer of 4 KiB pages. */
export interface BufferUnmap {
  /** Nanoseconds, the syncs included. */
  readonly nanoseconds: number;
  /** Registers written to invalidate, by name. */
  readonly writes: Readonly<Record<string, number>>;
  readonly syncs: number;
}

/** The device with its driver, and a buffer of so many pages mapped. */
class MappedBuffer {
  readonly smmu: Smmuv2;
  readonly driver: Smmuv2Driver;
  readonly domain: ReturnType<Smmuv2Driver['createDomain']>;

  constructor(pages: number, walkByAsid: boolean) {
    const memory = new PhysicalMemory({ banks: [{ base: 2 ** 31, size: 64 * MIB, node: 0 }] });
    const hardware = SMMU_HARDWARE['mmu500-small'];
    this.smmu = new Smmuv2({
      hardware,
      mmu: SM8150,
      memory: new Bus(memory, null).port('smmu', BusView.COHERENT),
      timing: { write: FITTED.write, read: FITTED.read, perMicrosecond: CYCLES_PER_MICROSECOND },
    });
    this.driver = new Smmuv2Driver(this.smmu, tableMachine(memory), {
      compatible: hardware.compatible,
      coherentWalk: true,
      walkByAsid,
      clock: this.smmu,
    });
    this.domain = this.driver.createDomain();
    const master = this.driver.probeDevice([{ id: 1, mask: 0 }]);
    if (typeof master === 'number' || this.driver.attach(master, this.domain) !== 0)
      throw new ConfigError('pages', pages, 'less');
    for (let done = 0; done < pages; done += BLOCK / PAGE) {
      const count = Math.min(BLOCK / PAGE, pages - done);
      this.driver.map(this.domain, IOVA + done * PAGE, 2 ** 33 + done * PAGE, PAGE, count, Prot.READ | Prot.WRITE);
    }
  }
}

/**
 * Unmaps a buffer of so many MiB in pages of 4 KiB on the device, as the IOMMU core does it: 2 MiB at a time, so that each time a whole
 * table of leaves goes away, which the driver has to drop from the TLB; at the end it waits once more.
 * @param walkByAsid the driver drops the ASID (Qualcomm's variant) instead of each page
 */
export function unmapBuffer(mib: number, walkByAsid: boolean): BufferUnmap {
  const blocks = (mib * MIB) / BLOCK;
  const { smmu, driver, domain } = new MappedBuffer((blocks * BLOCK) / PAGE, walkByAsid);
  const { counters } = driver.maintenance;
  const syncsBefore = counters.syncs;
  const begin = smmu.now;
  const unmapped = driver.unmap(domain, IOVA, BLOCK, blocks, newGather());
  driver.sync(domain);
  const kernel = (unmapped / BLOCK) * FITTED.tableGone;
  return {
    nanoseconds: smmu.now - begin + kernel,
    writes: { ...counters.writes },
    syncs: counters.syncs - syncsBefore,
  };
}

/** Unmaps a buffer page by page, and waits for each. @returns nanoseconds */
export function unmapPageByPage(pages: number): number {
  const { smmu, driver, domain } = new MappedBuffer(pages, false);
  const begin = smmu.now;
  for (let page = 0; page < pages; page++) {
    driver.unmap(domain, IOVA + page * PAGE, PAGE, 1, newGather());
    driver.sync(domain);
  }
  return smmu.now - begin;
}

function tableMachine(memory: PhysicalMemory): Machine {
  let next = 2 ** 31;
  return {
    memory,
    dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
    pages: {
      alloc: (_, size) => {
        const pa = Math.ceil(next / size) * size;
        if (pa + size > memory.end) return NO_PAGES;
        next = pa + size;
        return pa;
      },
      free: () => {},
    },
    warn: () => {},
  };
}
