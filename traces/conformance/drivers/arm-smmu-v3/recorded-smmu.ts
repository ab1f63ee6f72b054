import {
  type CoherentMemory,
  type FaultRecord,
  type InterruptName,
  type Message,
  QUEUE_BASE,
  REGISTERS,
  type SmmuPlatform,
  type SmmuPort,
  STRTAB_BASE_CFG,
} from '../../../../devices/index.ts';
import { PhysicalMemory } from '../../../../emulator/index.ts';
import { getField, type TableMemory, TWO_32 } from '../../../../formats/index.ts';
import { hexText } from '../../../quantity.ts';
import { Divergence, type RegisterPlayer } from '../register-player.ts';
import { describeValues, hex64 } from '../value.ts';

/** Room for the structures of a scenario: they lie close together. */
const STRUCTURES = 2 ** 28;
const STE_BYTES = 64;
const COMMAND_BYTES = 16;
/** Streams of a level 2 array, context descriptors of a leaf. */
const ARRAY = 256;
const LEAF = 1024;
/** Period of the timer's event stream, in microseconds. */
const EVENT_STREAM = 100;
/** CMD_SYNC that wakes CPUs: what a wrong command becomes. */
const REPLACEMENT = [0x0fc0_2046, 0, 0, 0];
const INTERRUPTS: Readonly<Record<InterruptName, string>> = {
  evtq: 'arm-smmu-v3-evtq',
  gerror: 'arm-smmu-v3-gerror',
  priq: 'arm-smmu-v3-priq',
  combined: 'arm-smmu-v3-combined-irq',
};

/** A table of context descriptors or one of its leaves: whose it is, and its first SubstreamID. */
interface ContextPlace {
  readonly dev: number;
  readonly first: number;
}

/**
 * The SMMU of a scenario as its driver meets it: registers, memory that both share, and the kernel around. What the driver stores into
 * structures and queues becomes the events that were recorded for it; what the recorded SMMU did in between is played back.
 */
export class RecordedSmmu implements SmmuPort, CoherentMemory, SmmuPlatform {
  readonly view: TableMemory;
  /** Microseconds that the driver has waited. */
  time = 0;
  onGlobalError: (() => void) | null = null;
  readonly #player: RegisterPlayer;
  readonly #memory: PhysicalMemory;
  readonly #hasMessages: boolean;
  #inInterrupt = false;
  /** Looks at CMD_SYNCs since one was seen to be done: the recorder goes on counting when one never is. */
  #looks = 0;
  // Where the queues and the stream table are, from the base registers.
  #streamTable = -1;
  #twoLevel = false;
  #commands = -1;
  #commandMask = 0;
  #prod = 0;
  readonly #records = new Map<number, { base: number; mask: number; prod: number }>();
  /** Level 2 stream arrays by address: their first StreamID. */
  readonly #arrays = new Map<number, number>();
  readonly #contexts = new Map<number, ContextPlace>();
  readonly #sizes = new Map<number, number>();

  /** @param base below all recorded addresses */
  constructor(player: RegisterPlayer, base: number, hasMessages: boolean) {
    this.#player = player;
    this.#hasMessages = hasMessages;
    const memory = new PhysicalMemory({ banks: [{ base, size: STRUCTURES, node: 0 }] });
    this.#memory = memory;
    this.view = {
      get words() {
        return memory.words;
      },
      index: (pa) => memory.index(pa),
      written: (pa, bytes) => this.#stored(pa, bytes),
    };
  }

  read32(offset: number): number {
    this.#interrupts();
    return this.#player.read32(offset);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.#player.read64(offset, halves);
  }

  write32(offset: number, value: number): void {
    if (offset === REGISTERS.CMDQ_PROD.offset && value !== this.#prod) this.#published(value);
    if (offset === REGISTERS.STRTAB_BASE_CFG.offset) {
      this.#twoLevel = getField(Uint32Array.of(value), 0, STRTAB_BASE_CFG.FMT) === 1;
    }
    this.#player.write32(offset, value);
  }

  write64(offset: number, low: number, high: number): void {
    const words = Uint32Array.of(low, high);
    const base = getField(words, 0, QUEUE_BASE.ADDR);
    const mask = 2 ** getField(words, 0, QUEUE_BASE.LOG2SIZE) - 1;
    if (offset === REGISTERS.STRTAB_BASE.offset) this.#streamTable = base;
    else if (offset === REGISTERS.CMDQ_BASE.offset) [this.#commands, this.#commandMask] = [base, mask];
    else if (offset === REGISTERS.EVENTQ_BASE.offset || offset === REGISTERS.PRIQ_BASE.offset) {
      this.#records.set(offset, { base, mask, prod: 0 });
    }
    this.#player.write64(offset, low, high);
  }

  load32(pa: number): number {
    this.#interrupts();
    this.#looks++;
    const event = this.#player.nextEvent;
    const slot = (pa - this.#commands) / COMMAND_BYTES;
    if (event?.[0] !== 'sync_msi' || event[2] !== this.#looks) return 1;
    this.#player.expect('sync_msi', slot, this.#looks);
    this.#looks = 0;
    return 0;
  }

  relax(): void {
    this.#interrupts();
  }

  waitForEvent(): void {
    this.#interrupts();
    this.time += EVENT_STREAM;
  }

  delay(microseconds: number): void {
    this.#interrupts();
    this.#player.delay(microseconds);
    this.time += microseconds;
  }

  sleep(least: number, most: number): void {
    this.#player.expect('sleep', least, most);
    this.time += most;
  }

  allocate(bytes: number): number {
    const [pa] = this.#player.take('alloc', bytes);
    const base = Number(pa);
    for (let at = base; at < base + bytes; at += 65536) {
      const index = this.#memory.index(at);
      this.#memory.words.fill(0, index, index + Math.min(bytes, 65536) / 4);
    }
    this.#sizes.set(base, bytes);
    return base;
  }

  release(pa: number): void {
    this.#player.expect('free', pa);
    this.#sizes.delete(pa);
    this.#contexts.delete(pa);
  }

  requestInterrupt(name: InterruptName): void {
    this.#player.take('request_irq', INTERRUPTS[name]);
  }

  message(): Message | null {
    if (!this.#hasMessages) return null;
    const address = BigInt(String(this.#player.nextEvent?.[2] ?? '0x0'));
    const addressHigh = Number(address >> 32n);
    // What comes with the address is only recorded where it is written.
    return { addressLow: Number(address & 0xffff_ffffn), addressHigh, data: 0x1000 + this.#messages++ };
  }

  #messages = 0;

  prepareAts(dev: number, unit: number): void {
    this.#player.expect('pci_prepare_ats', dev, unit);
  }

  enableAts(dev: number, unit: number): void {
    this.#player.expect('pci_enable_ats', dev, unit);
  }

  disableAts(dev: number): void {
    this.#player.expect('pci_disable_ats', dev);
  }

  reportFault(dev: number, fault: FaultRecord): number {
    const { flags, pasid, tag, permissions, addressLow, addressHigh } = fault;
    const address = BigInt(addressHigh) * BigInt(TWO_32) + BigInt(addressLow);
    const [result] = this.#player.take('page_fault', dev, flags, pasid, tag, permissions, address);
    return Number(result);
  }

  /** The SMMU writes a record to its event queue, or a request to its PRI queue. */
  deliver(queue: 'EVENTQ' | 'PRIQ', record: readonly bigint[]): void {
    const at = this.#records.get(REGISTERS[`${queue}_BASE`].offset);
    if (at === undefined) return;
    const index = this.#memory.index(at.base + 8 * record.length * (at.prod++ & at.mask));
    for (const [i, word] of record.entries()) {
      this.#memory.words[index + 2 * i] = Number(word & 0xffff_ffffn);
      this.#memory.words[index + 2 * i + 1] = Number(word >> 32n);
    }
  }

  /** The interrupt handlers that ran while the driver waited. */
  #interrupts(): void {
    while (!this.#inInterrupt && this.#player.nextKind === 'irq') {
      this.#player.expect('irq', 'gerror');
      this.#inInterrupt = true;
      this.onGlobalError?.();
      this.#inInterrupt = false;
      this.#player.expect('irq_end', 1);
    }
  }

  /** The driver stored into memory. Structures are written 64 bits at a time; what is written in bulk nobody looks at yet. */
  #stored(pa: number, bytes: number): void {
    const at = this.#memory.index(pa);
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.#memory.words.subarray(at, at + 4);
    if (bytes === COMMAND_BYTES && this.#inInterrupt) this.#rewritten([w0, w1, w2, w3]);
    if (bytes === 8) this.#structure(pa, w0, w1);
  }

  /** The handler replaced a command. The recorder shows the command it meant to be wrong, even when that was another one. */
  #rewritten(words: readonly number[]): void {
    if (words.join() !== REPLACEMENT.join())
      throw new Divergence('replacement', 'CMD_SYNC', words.map(hexText).join(' '));
    const [kind, shown] = this.#player.nextEvent ?? [];
    if (kind !== 'cmd_rewritten') return;
    const slot = Number(shown);
    const at = this.#memory.index(this.#commands + COMMAND_BYTES * (slot & this.#commandMask));
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.#memory.words.subarray(at, at + 4);
    this.#player.expect('cmd_rewritten', slot, big(w0, w1), big(w2, w3), 'CMD_SYNC');
  }

  #structure(pa: number, low: number, high: number): void {
    const value = big(low, high);
    const kind = this.#player.nextKind;
    const target = high * TWO_32 + low;
    const table = this.#streamTable;
    if (pa >= table && pa < table + (this.#sizes.get(table) ?? 0)) {
      if (!this.#twoLevel) this.#entry('ste', (pa - table) / 8, value);
      else {
        const index = (pa - table) / 8;
        this.#arrays.set(target - (target % STE_BYTES), index * ARRAY);
        this.#player.expect('l1std', index, value);
      }
      return;
    }
    for (const [base, first] of this.#arrays) {
      if (pa < base || pa >= base + STE_BYTES * ARRAY) continue;
      this.#entry('ste', first * 8 + (pa - base) / 8, value);
      return;
    }
    const place = this.#contextTable(pa);
    const offset = (pa - place.base) / 8;
    if (kind === 'l1cd') {
      this.#contexts.set(target - (target % 4096), { dev: place.dev, first: offset * LEAF });
      this.#player.expect('l1cd', place.dev, offset, value);
    } else this.#player.expect('cd', place.dev, place.first + Math.floor(offset / 8), offset % 8, value);
  }

  #entry(kind: string, doubleword: number, value: bigint): void {
    this.#player.expect(kind, Math.floor(doubleword / 8), doubleword % 8, value);
  }

  /** The context descriptors that an address is in; whose they are is said by the first event about them. */
  #contextTable(pa: number): ContextPlace & { base: number } {
    for (const [base, bytes] of this.#sizes) {
      if (pa < base || pa >= base + bytes) continue;
      const known = this.#contexts.get(base) ?? { dev: Number(this.#player.nextEvent?.[1]), first: 0 };
      this.#contexts.set(base, known);
      return { ...known, base };
    }
    return { dev: -1, first: 0, base: 0 };
  }

  /** The commands from the last doorbell up to a new write index must be those recorded. */
  #published(prod: number): void {
    const [list] = this.#player.take('cmds', this.#prod);
    const wrapMask = 2 * this.#commandMask + 1;
    let index = this.#prod;
    for (const recorded of list as readonly (readonly (string | number)[])[]) {
      const [name, first, second, count = 1, stride = '0x0'] = recorded;
      const step = BigInt(stride);
      let expected = BigInt(second ?? 0);
      for (let i = 0; i < Number(count); i++) {
        const at = this.#memory.index(this.#commands + COMMAND_BYTES * (index & this.#commandMask));
        const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.#memory.words.subarray(at, at + 4);
        const found = [hex64(w0, w1), hex64(w2, w3)];
        const wanted = [String(first), hexText(expected)];
        if (index === prod || found[0] !== wanted[0] || found[1] !== wanted[1]) {
          const ours = index === prod ? 'no more commands' : describeValues(found);
          throw new Divergence(`command ${index}`, describeValues([name, ...wanted]), ours);
        }
        expected = BigInt.asUintN(64, expected + step);
        index = (index + 1) & wrapMask;
      }
    }
    if (index !== prod) {
      const at = this.#memory.index(this.#commands + COMMAND_BYTES * (index & this.#commandMask));
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.#memory.words.subarray(at, at + 4);
      throw new Divergence(`command ${index}`, 'no more commands', `${hex64(w0, w1)} ${hex64(w2, w3)}`);
    }
    this.#prod = prod;
  }
}

function big(low: number, high: number): bigint {
  return BigInt(high) * BigInt(TWO_32) + BigInt(low);
}
