import {
  AccessFlag,
  Bus,
  type BusPort,
  BusView,
  CAUSE_NAMES,
  type Finding,
  TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import {
  EventKind,
  type LayoutEdit,
  narrateTranslation,
  type ReplayDomain,
  Replayer,
  TraceEvent,
  type TranslationStory,
} from '../../../traces/browser.ts';
import { type Rig, type RigSpace, type Spent, treesOf } from './rig.ts';
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
    const { memory, cache } = this.replayer.machine;
    const bus = new Bus(memory, cache);
    this.walkerMemory = bus.port('page, as the walker', cache === null ? BusView.COHERENT : BusView.NON_COHERENT);
    this.cpuMemory = bus.port('page, as the CPU', BusView.COHERENT);
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
    this.use(space);
    const { replayer } = this;
    const { machine, tracker, refusals } = replayer;
    const live = tracker.domains[this.#numbers[space] ?? 0]?.live;
    const { iova, size } = edit;
    if (edit.kind === 'map' && live?.overlaps(iova, iova + size) === true) {
      return 'EEXIST: something is mapped there already; the kernel warns and does nothing';
    }
    if (edit.kind === 'unmap' && live?.overlaps(iova, iova + size) !== true) return 'nothing is mapped there';
    const refused = refusals.count;
    this.#watch(() => {
      this.#fill(edit.kind === 'map' ? EventKind.MAP : EventKind.UNMAP, edit, space);
      replayer.take(this.#event);
    });
    machine.clock.cycles += PAUSE;
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

/** The address spaces of a replay. @param numberOf what the page calls a domain; below 0 for one that it does not show */
export function replaySpaces(replayer: Replayer, numberOf: (domain: number) => number): RigSpace[] {
  const { device } = replayer.machine;
  const spaces: RigSpace[] = [];
  for (const one of replayer.domains.all) {
    if (one === undefined || one.abandoned || numberOf(one.number) < 0) continue;
    const { domain, streams } = one;
    const [stream] = streams;
    const regime = stream === undefined ? null : device.regimeOf(streamInUse(replayer, one));
    spaces.push({
      number: numberOf(one.number),
      title: stream === undefined ? 'no stream' : `stream 0x${stream.toString(16)}`,
      asid: domain.asid,
      vmid: domain.vmid,
      regime,
      tables: treesOf(regime),
    });
  }
  return spaces;
}

/** StreamID that a domain's accesses carry: a GPU's address space is given a slot of the hardware first. */
function streamInUse({ machine }: Replayer, { domain, streams }: ReplayDomain): number {
  const id = machine.driver.activate(domain, streams[0] ?? 0);
  machine.driver.idle(domain);
  return id;
}

/** One access of a domain's device, told step by step, with the sanitizer watching as in a replay. */
export function accessOf(
  replayer: Replayer,
  one: ReplayDomain,
  request: TranslationRequest,
  iova: number,
  flags: number,
  cpu: WalkMemory,
): TranslationStory {
  const { device, driver, clock, sanitizer, walks, port } = replayer.machine;
  const id = driver.activate(one.domain, one.streams[0] ?? 0);
  walks.space = one.space;
  sanitizer.accessIova = iova;
  sanitizer.accesses++;
  request.ask(
    id % device.mmu.config.masters,
    id,
    -1,
    iova,
    flags | (one.domain.upper ? AccessFlag.UPPER : 0),
    clock.cycles,
  );
  const story = narrateTranslation(
    device,
    request,
    () => device.translate(request),
    (pa, low, high) => {
      if (!port.stale || !cpu.read(pa, 8)) return null;
      return low === cpu.low >>> 0 && high === cpu.high >>> 0 ? null : wordText(cpu.low, cpu.high);
    },
  );
  clock.cycles = Math.max(clock.cycles, request.completion);
  if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, iova);
  driver.idle(one.domain);
  if (story.pa === null) {
    driver.now = clock.cycles;
    driver.handleEvents();
    clock.cycles = Math.max(clock.cycles, driver.now);
  }
  return story;
}

function wordText(low: number, high: number): string {
  return `0x${((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16)}`;
}
