import { AccessFlag, BusError } from '../../../emulator/index.ts';
import { ConfigError, hexText } from '../../../formats/index.ts';
import {
  eventText,
  InputError,
  type NarratedWalk,
  narrateWalk,
  runVmBindDeadlock,
  type SplitShape,
  sizeText,
  splitAddress,
  splitIova,
  type TranslationStory,
  tableFormat,
} from '../../../traces/browser.ts';
import { BareRig } from './bare-rig.ts';
import { MachineRig } from './machine-rig.ts';
import { halfOf, type Rig, type RigSpace } from './rig.ts';
import { type Action, parseAction } from './script.ts';
import { isBare, type Settings, settingChoices, type TableChoice } from './settings.ts';
import type { DoneLine, EntryView, Snapshot, WalkView } from './snapshot.ts';
import { cacheViews, descriptorPa, entryView, findingViews, lookAt, spaceView } from './views.ts';

/** Formats of `splitIova` by table choice; of nested tables the guest's. */
const SPLIT_FORMATS = {
  'arm-64-lpae-s1': 'ARM_64_LPAE_S1',
  'arm-64-lpae-s2': 'ARM_64_LPAE_S2',
  nested: 'ARM_64_LPAE_S1',
  'arm-32-lpae-s1': 'ARM_32_LPAE_S1',
  'arm-32-lpae-s2': 'ARM_32_LPAE_S2',
  'arm-mali-lpae': 'ARM_MALI_LPAE',
  'arm-v7s': 'ARM_V7S',
  'both-halves': 'ARM_64_LPAE_S1',
} as const satisfies Readonly<Record<TableChoice, string>>;

const ACCESS_FLAGS: Readonly<Record<string, number>> = {
  r: AccessFlag.READ,
  w: AccessFlag.WRITE,
  x: AccessFlag.EXECUTE,
  p: AccessFlag.PRIVILEGED,
};
const MOST_DONE = 400;

/**
 * One machine with what was done to it. The same settings and lines give the same world: a link is enough to bring one back.
 */
export class World {
  readonly settings: Settings;
  readonly rig: Rig;
  readonly done: DoneLine[] = [];
  /** Address that the page looks at, as software writes it. */
  address = 0x4000_0000n;
  space = 0;
  /** The last access, while nothing was done after it. */
  #walk: WalkView | null = null;
  #story: Snapshot['story'] = [];

  /**
   * @param rig what the page works with, where it is not the machine that the settings describe
   * @throws ConfigError for settings that cannot be together
   */
  constructor(settings: Settings, lines: readonly string[] = [], rig: Rig | null = null) {
    this.settings = settings;
    this.rig = rig ?? (isBare(settings) ? new BareRig(settings) : new MachineRig(settings));
    this.rig.use(0);
    for (const line of lines) this.run(line);
  }

  /** Does one line; what cannot be done is said in {@link done}. */
  run(line: string): DoneLine {
    const start = this.rig.cycles;
    const action = parseAction(line);
    let done: DoneLine;
    if (typeof action === 'string') done = idle(line, start, action, true);
    else if (this.done.length >= MOST_DONE) done = idle(line, start, `that is enough: ${MOST_DONE} lines`, true);
    else {
      const found = this.rig.findings.length;
      try {
        done = this.#act(line, action, start);
      } catch (error) {
        done = idle(line, start, reasonOf(error), true);
      }
      const news = this.rig.findings.length - found;
      if (news > 0) done = { ...done, bad: true, text: `${done.text}; ${news} ${news === 1 ? 'finding' : 'findings'}` };
    }
    this.done.push(done);
    return done;
  }

  snapshot(): Snapshot {
    const { settings, rig, address, space } = this;
    const spaces = rig.spaces;
    const current = spaces.find(({ number }) => number === space);
    const look = current === undefined ? null : lookAt(rig, current, address);
    const seen = this.#walk !== null && BigInt(this.#walk.story.iova) === address ? this.#walk : null;
    return {
      settings,
      choices: settingChoices(settings),
      done: [...(rig.recent ?? []), ...this.done],
      cycles: rig.cycles,
      space,
      spaces: spaces.map((one) => spaceView(rig, one, address)),
      split: this.#split(rig, current),
      walk: seen ?? (look === null ? null : walkView('look', '', look)),
      caches: cacheViews(rig, current, address),
      findings: findingViews(rig),
      story: this.#story,
    };
  }

  #split(rig: Rig, current: RigSpace | undefined): Snapshot['split'] {
    const split = splitIova(this.address, splitShape(this.settings, rig, current));
    const regime = current?.regime ?? null;
    // Set bits above the input size are no mistake where they lead to the table of TTBR1.
    return regime !== null && splitAddress(regime, this.address).upper ? { ...split, beyond: '' } : split;
  }

  /** The last access, whatever was done since. */
  get lastAccess(): TranslationStory | null {
    return this.#walk?.story ?? null;
  }

  /** What an address translates to by the tables alone, as the walker finds them in memory, or as the CPU does. */
  look(address: bigint, as: 'walker' | 'CPU' = 'walker'): NarratedWalk | null {
    const { regime } = this.current;
    return regime === null
      ? null
      : narrateWalk(as === 'CPU' ? this.rig.cpuMemory : this.rig.walkerMemory, regime, address);
  }

  /** Entries that a cache holds; 0 of one that there is not. @param name its beginning */
  held(name: string): number {
    return cacheViews(this.rig, undefined, this.address)
      .filter((cache) => cache.name.startsWith(name))
      .reduce((sum, { entries }) => sum + entries.length, 0);
  }

  /** Whether the sanitizer has found this. */
  found(kind: string): boolean {
    return this.rig.findings.some((finding) => finding.kind === kind);
  }

  entry(stage: 1 | 2, table: number, index: number): EntryView | null {
    return entryView(this.rig, this.current, stage, table, index);
  }

  get current(): RigSpace {
    const found = this.rig.spaces.find(({ number }) => number === this.space);
    if (found === undefined) throw new ConfigError('space', this.space, 'one that is there');
    return found;
  }

  #act(line: string, action: Action, start: number): DoneLine {
    switch (action.kind) {
      case 'edit': {
        const { edit, stage } = action;
        this.address = whole(edit.iova);
        const refused = this.rig.edit(this.space, stage, edit);
        const { cycles, causes, commands, locked } = this.rig.spent();
        const what = edit.kind === 'map' ? 'mapped' : 'unmapped';
        const lock = locked > 0 ? `, ${sizeText(locked)} locked for it` : '';
        const text = refused === '' ? `${what}${lock}` : refused;
        return { line, text, bad: refused !== '', start, cycles, by: 'CPU', parts: causes, commands };
      }
      case 'touch': {
        const flags = [...action.rights].reduce((sum, letter) => sum | (ACCESS_FLAGS[letter] ?? 0), 0);
        this.address = whole(action.iova);
        const told = this.rig.access(this.space, action.iova, flags);
        const story = { ...told, iova: hexText(this.address) };
        this.#walk = walkView('access', line, story);
        const parts = accessParts(story);
        const bad = story.fault !== null || story.stale;
        return { line, text: accessText(story), bad, start, cycles: story.latency, by: 'device', parts, commands: [] };
      }
      case 'space':
        this.rig.use(action.number);
        this.space = action.number;
        return idle(line, start, `address space ${action.number}`);
      case 'wait': {
        this.rig.wait(action.seconds);
        const { cycles, causes, commands } = this.rig.spent();
        return { line, text: 'time went by', bad: false, start, cycles, by: 'CPU', parts: causes, commands };
      }
      case 'invalidate': {
        const dropped = this.#invalidate(action);
        return idle(line, start, `${dropped} ${dropped === 1 ? 'entry' : 'entries'} dropped`);
      }
      case 'write': {
        const bytes = this.settings.format === 'arm-v7s' ? 4 : 8;
        const pa = descriptorPa(this.rig, this.current, whole(action.iova), action.level);
        if (pa < 0) return idle(line, start, `no walk of it comes to level ${action.level}`, true);
        this.address = whole(action.iova);
        this.rig.store(pa, bytes, action.value);
        return idle(line, start, `stored at ${hexText(pa)}`);
      }
      case 'clean': {
        const pa = descriptorPa(this.rig, this.current, whole(action.iova), action.level);
        if (pa < 0) return idle(line, start, `no walk of it comes to level ${action.level}`, true);
        this.rig.clean(pa, 8);
        return idle(line, start, `the cache line of ${hexText(pa)} went to memory`);
      }
      case 'bind': {
        const { deadlock, events } = runVmBindDeadlock({ allocator: action.allocator });
        this.#story = events.slice(0, 200);
        const text = deadlock === null ? 'every job is done' : 'deadlock';
        return idle(line, start, text, deadlock !== null);
      }
    }
  }

  #invalidate({ what, iova, size, leafOnly }: Extract<Action, { kind: 'invalidate' }>): number {
    const { invalidation } = this.rig.device.mmu;
    const { asid, vmid, regime } = this.current;
    const { upper, address } = halfOf(regime, iova);
    if (what === 'all') invalidation.all();
    else if (what === 'asid') {
      if (vmid > 0 && asid === 0) invalidation.byVmid(vmid, true);
      else invalidation.byAsid(asid, vmid);
    } else if (vmid > 0 && asid === 0) invalidation.byIpaRange(address, address + Math.max(size, 1), vmid, leafOnly);
    else if (size > 0) invalidation.byRange(address, address + size, asid, vmid, leafOnly, upper);
    else invalidation.byAddress(address, asid, vmid, leafOnly, upper);
    return invalidation.dropped;
  }
}

/** An address of a line as software writes it. */
function whole(iova: number): bigint {
  return BigInt.asUintN(64, BigInt(iova));
}

function walkView(source: WalkView['source'], line: string, story: TranslationStory): WalkView {
  return { source, line, story, texts: story.events.map((event) => eventText(event, story.fault !== null)) };
}

/** How addresses are cut: as the settings say, or of tables that came from elsewhere as their registers say. */
function splitShape({ format, ias }: Settings, rig: Rig, space: RigSpace | undefined): SplitShape {
  const plain = { format: SPLIT_FORMATS[format], granuleShift: Math.log2(rig.granule), ias };
  const stage = space?.regime?.stage1 ?? space?.regime?.stage2 ?? null;
  const root = stage?.root0 ?? stage?.root1 ?? null;
  if (!rig.foreign || stage === null || root === null) return plain;
  return { format: tableFormat(stage), granuleShift: root.granuleShift, ias: root.inputBits };
}

function idle(line: string, start: number, text: string, bad = false): DoneLine {
  return { line, text, bad, start, cycles: 0, by: 'nobody', parts: [], commands: [] };
}

/** What an access came to, in one line. */
function accessText(story: TranslationStory): string {
  const { pa, fault, events, reads, latency, stale } = story;
  const cycles = `${latency} cycles`;
  if (fault !== null) {
    const where = fault.stage === 0 ? '' : `, stage ${fault.stage} level ${fault.level}`;
    return `${fault.name}${where}; ${reads} ${reads === 1 ? 'read' : 'reads'}, ${cycles}`;
  }
  const hit = events.find((event) => event.kind === 'lookup' && event.hit && event.cache.includes('TLB'));
  const by = hit?.kind === 'lookup' ? `${hit.cache} hit` : `walk, ${reads} ${reads === 1 ? 'read' : 'reads'}`;
  return `${pa ?? ''}: ${by}, ${cycles}${stale ? '; by a translation that should be gone' : ''}`;
}

/** Where the time of an access went. */
function accessParts({ events }: TranslationStory): (readonly [string, number])[] {
  const parts = new Map<string, number>();
  for (const event of events) {
    if (event.cycles === 0) continue;
    const name = event.kind === 'lookup' ? event.cache : event.kind === 'read' ? 'reads' : event.kind;
    parts.set(name, (parts.get(name) ?? 0) + event.cycles);
  }
  return [...parts];
}

/** Why a line could not be done. @throws what is no answer to anything that a person did */
function reasonOf(error: unknown): string {
  if (error instanceof BusError)
    return `the driver follows a broken table: ${error.message}; a kernel would crash here`;
  if (error instanceof ConfigError || error instanceof InputError || error instanceof RangeError) return error.message;
  throw error;
}
