import {
  type BusPort,
  CAUSE_NAMES,
  type Finding,
  FindingKind,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { EventKind, type LayoutEdit, Replayer, TraceEvent, type TranslationStory } from '../../../traces/browser.ts';
import { accessOf, memoryOf, replaySpaces } from './replayer-view.ts';
import type { Rig, RigSpace, Spent } from './rig.ts';
import { runConfigOf, type Settings } from './settings.ts';

/** What time passes between two things that a person does, in cycles. */
const PAUSE = 1000;

/** A replayer whose capture is what a person does: the same machine, driver, costs and sanitizer as in a replay. */
export class MachineRig implements Rig {
  readonly replayer: Replayer;
  readonly walkerMemory: BusPort;
  readonly cpuMemory: WalkMemory;
  readonly #request = new TranslationRequest();
  readonly #event = new TraceEvent();
  readonly #numbers: number[] = [];
  #spent: Spent = { cycles: 0, causes: [], commands: [], locked: 0 };
  #line = 0;

  /** @throws ConfigError for settings that cannot be together */
  constructor(settings: Settings) {
    this.replayer = new Replayer(runConfigOf(settings), () => -1);
    const { walker, cpu } = memoryOf(this.replayer);
    this.walkerMemory = walker;
    this.cpuMemory = cpu;
    this.#event.capture = 0;
    this.#event.cpu = 0;
    this.#event.pid = 1;
  }

  get device(): Replayer['machine']['device'] {
    return this.replayer.machine.device;
  }

  get granule(): number {
    return this.replayer.machine.granule;
  }

  get cycles(): number {
    return this.replayer.machine.clock.cycles;
  }

  get findings(): readonly Finding[] {
    return this.replayer.machine.sanitizer.findings;
  }

  get spaces(): readonly RigSpace[] {
    return replaySpaces(this.replayer, (number) => this.#numbers.indexOf(number));
  }

  use(space: number): void {
    if (this.#numbers[space] !== undefined) return;
    const { tracker, domains } = this.replayer;
    const number = tracker.named(space);
    this.#numbers[space] = number;
    domains.at(number);
  }

  edit(space: number, stage: 1 | 2, edit: LayoutEdit): string {
    if (stage === 2) return 'there is no second stage here';
    if (edit.iova < 0) return 'there is no table of TTBR1 here: an SMMUv2 can have one (tables: TTBR0 and TTBR1)';
    this.use(space);
    const { replayer } = this;
    const { machine, tracker, refusals } = replayer;
    const { sanitizer } = machine;
    const live = tracker.domains[this.#numbers[space] ?? 0]?.live;
    const { iova, size } = edit;
    if (edit.kind === 'map' && live?.overlaps(iova, iova + size) === true) {
      return 'EEXIST: something is mapped there already; the kernel warns and does nothing';
    }
    if (edit.kind === 'unmap' && live?.overlaps(iova, iova + size) !== true) return 'nothing is mapped there';
    const refused = refusals.count;
    const crashes = sanitizer.count(FindingKind.CPU_FAULT);
    this.#watch(() => {
      this.#fill(edit.kind === 'map' ? EventKind.MAP : EventKind.UNMAP, edit, space);
      replayer.take(this.#event);
    });
    machine.clock.cycles += PAUSE;
    if (sanitizer.count(FindingKind.CPU_FAULT) > crashes) {
      return 'the driver follows a broken table to where no memory is; a kernel would crash here';
    }
    return refusals.count === refused ? '' : (refusals.kept.at(-1)?.reason ?? 'refused');
  }

  spent(): Spent {
    return this.#spent;
  }

  access(space: number, iova: number, flags: number): TranslationStory {
    this.use(space);
    const one = this.replayer.domains.at(this.#numbers[space] ?? 0);
    if (one === null) throw new RangeError('no memory for a first-level table');
    return accessOf(this.replayer, one, this.#request, iova, flags, this.cpuMemory);
  }

  store(pa: number, bytes: number, value: bigint): void {
    const { watch } = this.replayer.machine;
    const at = watch.index(pa);
    watch.words[at] = Number(value & 0xffff_ffffn);
    if (bytes === 8) watch.words[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
    watch.written(pa, bytes);
    for (const one of this.replayer.domains.all) one?.domain.table.entriesChanged();
  }

  clean(pa: number, bytes: number): void {
    this.replayer.machine.cache?.clean(pa, bytes);
  }

  wait(seconds: number): void {
    const { replayer } = this;
    this.#watch(() => {
      this.#event.kind = EventKind.OTHER;
      this.#event.time = this.#seconds() + seconds;
      replayer.take(this.#event);
    });
  }

  /** Seconds of the capture that the machine's clock is. */
  #seconds(): number {
    const { machine, config } = this.replayer;
    return machine.clock.cycles / (config.clockMHz * 1e6);
  }

  #fill(kind: EventKind, { iova, pa, size, prot }: LayoutEdit, space: number): void {
    const event = this.#event;
    event.kind = kind;
    event.time = this.#seconds();
    event.iova = iova;
    event.pa = pa;
    event.size = size;
    event.prot = prot;
    event.runEnd = iova + size;
    event.domain = space;
    event.line = ++this.#line;
  }

  /** Does something and keeps what it cost. */
  #watch(act: () => void): void {
    const { costs, driver } = this.replayer.machine;
    const before = driver.counters().commandsByName;
    const lockedBefore = driver.regions?.().lockedBytes ?? 0;
    const byCause = CAUSE_NAMES.map(() => 0);
    costs.onOperation = (operation) => {
      for (const [cause, cycles] of operation.byCause.entries()) byCause[cause] = (byCause[cause] ?? 0) + cycles;
    };
    try {
      act();
      costs.close();
    } finally {
      costs.onOperation = null;
    }
    const commands = Object.entries(driver.counters().commandsByName)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    const causes = CAUSE_NAMES.map((name, at) => [name, byCause[at] ?? 0] as const).filter(([, cycles]) => cycles > 0);
    const locked = (driver.regions?.().lockedBytes ?? 0) - lockedBefore;
    this.#spent = { cycles: byCause.reduce((sum, one) => sum + one, 0), causes, commands, locked };
  }
}
