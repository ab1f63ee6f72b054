import { type BusPort, type Finding, TranslationRequest, type WalkMemory } from '../../../../emulator/index.ts';
import { hexText } from '../../../../formats/index.ts';
import {
  EventKind,
  Replayer,
  type RunConfig,
  streamIdOf,
  TraceEvent,
  type TranslationStory,
  UNKNOWN,
  watchRun,
} from '../../../../traces/browser.ts';
import { accessOf, memoryOf, replaySpaces } from '../replayer-view.ts';
import type { Rig, RigSpace, Spent } from '../rig.ts';
import type { DoneLine } from '../snapshot.ts';
import type { LoadedCapture } from './loaded-capture.ts';
import type { Sampler } from './samples.ts';

/** Operations before the current event that the time line shows. */
const SHOWN = 24;
const NO_COST: Spent = { cycles: 0, causes: [], commands: [], locked: 0 };
const READ_ONLY = 'this is a capture: it is replayed as it is';

/**
 * A capture on a machine, stopped behind some event. It only goes forward: to go back, another one begins anew.
 *
 * Does: everything that `tablewalk replay` does.
 */
export class ReplayRig implements Rig {
  readonly capture: LoadedCapture;
  readonly foreign = true;
  readonly replayer: Replayer;
  readonly walkerMemory: BusPort;
  readonly cpuMemory: WalkMemory;
  /** Events that have happened. */
  at = 0;
  /** Maps and unmaps that have happened. */
  #given = 0;
  readonly #recent: DoneLine[] = [];
  /** Domain of the last map or unmap that was done, and its address. */
  domain = 0;
  iova = 0;
  readonly #event = new TraceEvent();
  readonly #request = new TranslationRequest();
  readonly #sampler: Sampler | null;

  /**
   * @param sampler sees the replay; only the first one is looked at from its beginning to its end
   * @throws ConfigError for a machine that cannot work
   */
  constructor(capture: LoadedCapture, config: RunConfig, sampler: Sampler | null = null) {
    this.capture = capture;
    this.#sampler = sampler;
    this.replayer = new Replayer(config, (device) => streamIdOf(capture.deviceName(device)));
    const { walker, cpu } = memoryOf(this.replayer);
    this.walkerMemory = walker;
    this.cpuMemory = cpu;
    if (sampler !== null) watchRun(this.replayer, [sampler]);
  }

  /** Lets at most `most` events happen, up to event `until`. @returns whether it has come there */
  advance(until: number, most: number): boolean {
    const { capture, replayer } = this;
    const event = this.#event;
    const end = Math.min(until, capture.count, this.at + most);
    while (this.at < end) {
      capture.get(this.at++, event);
      const start = replayer.machine.clock.cycles;
      const spent = this.#cpuCycles();
      const refused = replayer.refusals.count;
      replayer.take(event);
      if (event.kind === EventKind.MAP || event.kind === EventKind.UNMAP) {
        this.#note(event, start, this.#cpuCycles() - spent, refused);
      }
      this.#sampler?.event(this.at, this.at === capture.count, replayer);
    }
    return this.at >= Math.min(until, capture.count);
  }

  /** The last operations, oldest first. Whose mapping it is may be clear only from what comes behind: such an operation waits. */
  get recent(): readonly DoneLine[] {
    const done = this.#recent.length - (this.#given - this.replayer.maps - this.replayer.unmaps);
    const wait = 'not done yet: whose it is, the next events tell';
    return this.#recent.map((one, at) => (at < done ? one : { ...one, text: `${one.text}, ${wait}` }));
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
    return replaySpaces(this.replayer, (domain) => domain).map((space) => {
      const { devices = [] } = this.replayer.tracker.domains[space.number] ?? {};
      const names = devices.map((device) => this.capture.deviceName(device)).slice(0, 3);
      return names.length === 0 ? space : { ...space, title: names.join(', ').slice(0, 60) };
    });
  }

  use(): void {}

  edit(): string {
    return READ_ONLY;
  }

  spent(): Spent {
    return NO_COST;
  }

  access(space: number, iova: number, flags: number): TranslationStory {
    const one = this.replayer.domains.all[space];
    if (one === undefined) throw new RangeError('there is no such domain yet');
    return accessOf(this.replayer, one, this.#request, iova, flags, this.cpuMemory);
  }

  store(): void {
    throw new RangeError(READ_ONLY);
  }

  clean(): void {
    throw new RangeError(READ_ONLY);
  }

  wait(): void {
    throw new RangeError(READ_ONLY);
  }

  /** What maps and unmaps have cost the CPU so far. */
  #cpuCycles(): number {
    return this.replayer.machine.costs.kinds.reduce((sum, { cycles }) => sum + cycles, 0);
  }

  /** Keeps what the time line shows of an operation. */
  #note({ kind, iova, pa, size, line, time }: TraceEvent, start: number, cycles: number, refused: number): void {
    const { machine, refusals, firstTime } = this.replayer;
    this.domain = machine.sanitizer.domain;
    this.iova = machine.sanitizer.iova;
    const maps = kind === EventKind.MAP;
    const bad = refusals.count > refused;
    const when = `${(time - firstTime).toFixed(6)} s, line ${line}`;
    this.#given++;
    this.#recent.push({
      line: `${maps ? 'map' : 'unmap'} ${hexText(iova)}${maps && pa !== UNKNOWN ? ` ${hexText(pa)}` : ''} ${size}`,
      text: bad ? `${when}: ${refusals.kept.at(-1)?.reason ?? 'refused'}` : when,
      bad,
      start,
      cycles,
      by: 'CPU',
      parts: [['map and unmap', 1]],
      commands: [],
    });
    if (this.#recent.length > SHOWN) this.#recent.shift();
  }
}
