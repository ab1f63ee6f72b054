import {
  AccessFlag,
  Bus,
  BusView,
  type Finding,
  FixedContexts,
  lpaeRoot,
  lpaeStage1,
  lpaeStage2,
  Mmu,
  PageAllocator,
  PhysicalMemory,
  type StageRegime,
  shortStage1,
  type TranslatingDevice,
  type TranslationRegime,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import {
  allocIoPgtable,
  ConfigError,
  hexText,
  type IoPgtable,
  type IoPgtableFormat,
  leafSizes,
  type Machine,
  memoryAttributes,
  NO_PAGES,
  newGather,
  PageCutter,
  Prot,
  Quirk,
  type TableMemory,
} from '../../../formats/index.ts';
import {
  applyEdit,
  type LayoutEdit,
  narrateTranslation,
  runConfig,
  type TranslationStory,
} from '../../../traces/browser.ts';
import { halfOf, type Rig, type RigSpace, type Spent, treesOf } from './rig.ts';
import { cachesOf, type Settings } from './settings.ts';

const RAM = 0x8000_0000;
const RAM_SIZE = 0x1000_0000;
/** Where a guest sees the memory that its tables come from, and how far above that it really is. */
const GUEST_TABLES = 0x4400_0000;
const GUEST_TABLES_SIZE = 0x10_0000;
const GUEST_OFFSET = 0x4800_0000;
const GRANULE_SHIFTS = { '4k': 12, '16k': 14, '64k': 16 } as const;
const SHORT_SIZES = 2 ** 12 + 2 ** 16 + 2 ** 20 + 2 ** 24;
const STREAM = 1;
const ASID = 1;
const VMID = 1;

/**
 * An MMU without a device around it, for tables that no driver of ours makes: nested ones, short descriptors, and two tables of one stage
 * 1. A guest edits stage 1 in what it takes for physical memory, a hypervisor edits stage 2; both invalidate at once.
 *
 * Does not: model the CPU's cache, a driver, or what its work costs; watch for bugs.
 */
export class BareRig implements Rig {
  readonly device: TranslatingDevice;
  readonly granule: number;
  readonly walkerMemory: WalkMemory;
  readonly cpuMemory: WalkMemory;
  readonly findings: readonly Finding[] = [];
  cycles = 0;
  readonly #mmu: Mmu;
  readonly #memory: PhysicalMemory;
  readonly #stage1: IoPgtable;
  readonly #stage2: IoPgtable | null;
  /** The table of TTBR1, where there are two of stage 1. */
  readonly #upper: IoPgtable | null;
  readonly #regime: TranslationRegime;
  readonly #request = new TranslationRequest();
  readonly #commands = new Map<string, number>();

  /** @throws ConfigError for sizes that cannot be together */
  constructor(settings: Settings) {
    const nested = settings.format === 'nested';
    const halves = settings.format === 'both-halves';
    const shift = nested || halves ? GRANULE_SHIFTS[settings.granule] : 12;
    this.granule = 2 ** shift;
    const banks = [{ base: RAM, size: RAM_SIZE, node: 0 }];
    this.#memory = new PhysicalMemory({ banks });
    const port = new Bus(this.#memory, null).port('walker', BusView.COHERENT);
    this.walkerMemory = port;
    this.cpuMemory = new Bus(this.#memory, null).port('CPU', BusView.COHERENT);
    const host: Machine = {
      memory: this.#memory,
      dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
      pages: new PageAllocator({ banks }, this.#memory),
      warn: () => {},
    };
    const { ias, oas } = settings;
    if (nested) {
      this.#stage2 = allocIoPgtable(
        { format: 'ARM_64_LPAE_S2', pageSizes: leafSizes(shift, 48), ias: oas, oas: 48, tlb: this.#tlb(2) },
        host,
        null,
      );
      this.#mapGuestTables();
      this.#stage1 = allocIoPgtable(
        { format: 'ARM_64_LPAE_S1', pageSizes: leafSizes(shift, 48), ias, oas, tlb: this.#tlb(1) },
        { ...host, memory: guestMemory(this.#memory), pages: guestPages(this.#memory, this.granule) },
        null,
      );
      this.#upper = null;
    } else if (halves) {
      const half = (quirks: number, upper: boolean) =>
        allocIoPgtable(
          { format: 'ARM_64_LPAE_S1', pageSizes: leafSizes(shift, 48), ias, oas, quirks, tlb: this.#tlb(1, upper) },
          host,
          null,
        );
      this.#stage2 = null;
      this.#stage1 = half(0, false);
      this.#upper = half(Quirk.ARM_TTBR1, true);
    } else {
      this.#stage2 = null;
      this.#upper = null;
      const format: IoPgtableFormat = 'ARM_V7S';
      this.#stage1 = allocIoPgtable(
        { format, pageSizes: SHORT_SIZES, ias: 32, oas: 32, tlb: this.#tlb(1) },
        host,
        null,
      );
    }
    this.#regime = this.#regimeOf(shift, oas);
    const { mmu: options } = runConfig(cachesOf(settings));
    const contexts = new FixedContexts();
    contexts.set(STREAM, this.#regime);
    this.#mmu = new Mmu(options, port, contexts);
    this.device = this.#mmu;
  }

  get spaces(): readonly RigSpace[] {
    const tables = treesOf(this.#regime, (address) => this.#guestPa(address));
    const title = this.#stage2 === null ? 'the MMU alone' : 'a guest, and the hypervisor below';
    return [{ number: 0, title, asid: ASID, vmid: this.#regime.vmid, regime: this.#regime, tables }];
  }

  use(space: number): void {
    if (space !== 0) throw new ConfigError('space', space, '0: there is one address space here');
  }

  edit(space: number, stage: 1 | 2, edit: LayoutEdit): string {
    this.use(space);
    const { upper, address } = halfOf(this.#regime, edit.iova);
    const table = stage === 2 ? this.#stage2 : upper ? this.#upper : this.#stage1;
    if (table === null) return 'there is no such table here';
    this.#commands.clear();
    const gather = newGather();
    const refused = applyEdit(table, new PageCutter(table.config.pageSizes), { ...edit, iova: address }, gather);
    const { invalidation } = this.#mmu;
    if (gather.end >= gather.start && edit.kind === 'unmap') {
      const { vmid } = this.#regime;
      if (stage === 1) invalidation.byRange(gather.start, gather.end + 1, ASID, vmid, true, upper);
      else {
        // What a TLB holds of both stages is not found by an IPA.
        invalidation.byIpaRange(gather.start, gather.end + 1, vmid, true);
        invalidation.byVmid(vmid, false);
        this.#count('TLBI of the VMID');
      }
      this.#count(stage === 1 ? 'TLBI by VA' : 'TLBI by IPA');
    }
    this.cycles += 1000;
    return refused;
  }

  spent(): Spent {
    return { cycles: 0, causes: [], commands: [...this.#commands], locked: 0 };
  }

  access(space: number, iova: number, flags: number): TranslationStory {
    this.use(space);
    const { upper, address } = halfOf(this.#regime, iova);
    const half = upper ? AccessFlag.UPPER : 0;
    const request = this.#request.ask(0, STREAM, -1, address, flags | half, this.cycles);
    const story = narrateTranslation(this.#mmu, request, () => this.#mmu.translate(request));
    this.cycles = Math.max(this.cycles, request.completion);
    return story;
  }

  store(pa: number, bytes: number, value: bigint): void {
    const at = this.#memory.index(pa);
    this.#memory.words[at] = Number(value & 0xffff_ffffn);
    if (bytes === 8) this.#memory.words[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
    this.#memory.written(pa, bytes);
    this.#stage1.entriesChanged();
    this.#stage2?.entriesChanged();
    this.#upper?.entriesChanged();
  }

  clean(): void {}

  wait(seconds: number): void {
    this.#commands.clear();
    this.cycles += seconds * 1e9;
  }

  #count(name: string): void {
    this.#commands.set(name, (this.#commands.get(name) ?? 0) + 1);
  }

  /** The hypervisor backs the guest's tables, page by page. */
  #mapGuestTables(): void {
    const edit: LayoutEdit = {
      kind: 'map',
      iova: GUEST_TABLES,
      pa: GUEST_TABLES + GUEST_OFFSET,
      size: GUEST_TABLES_SIZE,
      prot: Prot.READ | Prot.WRITE | Prot.CACHE,
    };
    const table = this.#stage2 as IoPgtable;
    const refused = applyEdit(table, new PageCutter(this.granule), edit, newGather());
    if (refused !== '')
      throw new ConfigError('oas', table.config.ias, `an IPA size that holds ${hexText(GUEST_TABLES)}`);
  }

  #guestPa(address: number): number {
    return this.#stage2 === null ? address : address + GUEST_OFFSET;
  }

  #regimeOf(shift: number, oas: number): TranslationRegime {
    const { registers, geometry } = this.#stage1;
    const second = this.#stage2?.registers;
    if (registers.kind === 'short') {
      return { stage1: shortStage1(0, registers.ttbr, null, {}), stage2: null, asid: ASID, vmid: 0 };
    }
    const upper = this.#upper?.registers;
    if (registers.kind === 'stage-1' && upper?.kind === 'stage-1') {
      const stage1 = lpaeStage1({
        root0: lpaeRoot(registers.ttbr, shift, geometry.ias),
        root1: lpaeRoot(upper.ttbr, shift, geometry.ias),
        outputBits: oas,
        memoryAttributes: memoryAttributes(registers.mairLow, registers.mairHigh),
        tag: ASID,
      });
      return { stage1, stage2: null, asid: ASID, vmid: 0 };
    }
    if (registers.kind !== 'stage-1' || second?.kind !== 'stage-2' || this.#stage2 === null) {
      throw new TypeError('nested tables have a stage 1 and a stage 2');
    }
    const stage1: StageRegime = lpaeStage1({
      root0: lpaeRoot(registers.ttbr, shift, geometry.ias),
      outputBits: oas,
      memoryAttributes: memoryAttributes(registers.mairLow, registers.mairHigh),
      tag: ASID,
    });
    const { ias, startLevel } = this.#stage2.geometry;
    const stage2 = lpaeStage2({ root0: lpaeRoot(second.vttbr, shift, ias, startLevel), tag: VMID });
    return { stage1, stage2, asid: ASID, vmid: VMID };
  }

  /** What the editors tell the TLBs while they edit. */
  #tlb(stage: 1 | 2, upper = false) {
    const range = (iova: number, size: number): void => {
      const { invalidation } = this.#mmu;
      const { vmid } = this.#regime;
      if (stage === 1) invalidation.byRange(iova, iova + size, ASID, vmid, false, upper);
      else {
        invalidation.byIpaRange(iova, iova + size, vmid, false);
        invalidation.byVmid(vmid, false);
      }
      this.#count(stage === 1 ? 'TLBI by VA, with walk caches' : 'TLBI by IPA, with walk caches');
    };
    return {
      flushAll: () => {
        this.#mmu.invalidation.byVmid(this.#regime.vmid, true);
      },
      flushWalk: (iova: number, size: number) => range(iova, size),
      addPage: (gather: { start: number; end: number } | null, iova: number, size: number) => {
        if (gather === null) return range(iova, size);
        gather.start = Math.min(gather.start, iova);
        gather.end = Math.max(gather.end, iova + size - 1);
      },
    };
  }
}

/** A guest's view of its memory: what it takes for a physical address lies elsewhere. */
function guestMemory(memory: PhysicalMemory): TableMemory {
  return {
    get words() {
      return memory.words;
    },
    index: (ipa) => memory.index(ipa + GUEST_OFFSET),
    written: (ipa, bytes) => memory.written(ipa + GUEST_OFFSET, bytes),
  };
}

/** A guest's tables, one after the other; what is freed comes first again. */
function guestPages(memory: PhysicalMemory, granule: number): Machine['pages'] {
  let next = GUEST_TABLES;
  const freed: number[] = [];
  return {
    alloc: (_cookie, size) => {
      const again = size === granule ? freed.pop() : undefined;
      if (again !== undefined) {
        const at = memory.index(again + GUEST_OFFSET);
        memory.words.fill(0, at, at + size / 4);
        return again;
      }
      const ipa = Math.ceil(next / size) * size;
      if (ipa + size > GUEST_TABLES + GUEST_TABLES_SIZE) return NO_PAGES;
      next = ipa + size;
      return ipa;
    },
    free: (_cookie, ipa, size) => {
      if (size === granule) freed.push(ipa);
    },
  };
}
