import { PbfReader } from 'pbf';
import type { CaptureNotes } from '../../events/index.ts';
import {
  Context,
  clearCall,
  contextOfFlags,
  EventKind,
  MEANINGS,
  type Meaning,
  meaningOf,
  Role,
  TraceEvent,
  UNKNOWN,
  whyImpossible,
} from '../../events/index.ts';
import type { Block } from '../../sources/index.ts';
import { inflate } from '../../sources/index.ts';
import type { EventStream } from '../form.ts';
import { ascii } from '../text-cursor.ts';
import { TimeOrder } from '../time-order.ts';
import {
  Bundle,
  type DescribedEvent,
  type DescribedField,
  Event,
  FIRST_DESCRIBED,
  Generic,
  GenericField,
  inner,
  Packet,
  readDescriptor,
  TEXT_TYPE,
  TRACE_PACKET,
  Wide,
} from './messages.ts';

const NANOSECONDS = 1e9;
/** A packet holds what one CPU gathered in a moment; the whole of a compressed batch is a few MiB. */
const LARGEST_PACKET = 2 ** 28;
/** Wire types of protobuf. */
const LENGTH_DELIMITED = 2;
const VARINT = 0;

/**
 * The ftrace events of a Perfetto trace, in the order of their times. Events that Perfetto has no message of its own for come as generic ones, in the older
 * form (field 327, names with every event) or the newer (a descriptor in front). Everything else, compact scheduling events included, is passed over.
 */
export class PerfettoReader implements EventStream {
  event = new TraceEvent();
  readonly #notes: CaptureNotes;
  readonly #blocks: AsyncGenerator<Block>;
  readonly #order = new TimeOrder();
  readonly #sample = new TraceEvent();
  readonly #described = new Map<number, DescribedEvent>();
  readonly #wide = new Wide();
  /** A packet that is not whole yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #ended = false;
  #broken = false;

  constructor(blocks: AsyncGenerator<Block>, notes: CaptureNotes) {
    this.#blocks = blocks;
    this.#notes = notes;
    notes.stats.clock = 'seconds';
  }

  get namedDomains(): number {
    return this.#notes.domains.size;
  }

  async fill(): Promise<boolean> {
    if (this.#ended) return false;
    const { value, done } = await this.#blocks.next();
    if (done === true) {
      this.#ended = true;
      if (this.#rest.length > 0 && !this.#broken) this.#damaged('the trace ends in a packet');
      this.#order.end();
      return true;
    }
    this.#notes.stats.bytes += value.bytes.length;
    if (!this.#broken) {
      const bytes = joined(this.#rest, value.bytes);
      this.#rest = bytes.slice(await this.#packets(bytes));
    }
    if (value.damage !== '') this.#damaged(value.damage);
    return true;
  }

  next(): boolean {
    return this.#order.take(this.event);
  }

  async close(): Promise<void> {
    await this.#blocks.return(undefined);
  }

  /** Reads the whole packets in `bytes`; how many bytes they are. */
  async #packets(bytes: Uint8Array): Promise<number> {
    let at = 0;
    while (at < bytes.length) {
      const header = new PbfReader(bytes);
      header.pos = at;
      let tag: number;
      let length: number;
      try {
        tag = this.#varint(header);
        length = (tag & 7) === LENGTH_DELIMITED ? this.#varint(header) : 0;
        if ((tag & 7) === VARINT) this.#varint(header);
      } catch {
        return at;
      }
      const type = tag & 7;
      if ((type !== LENGTH_DELIMITED && type !== VARINT) || length > LARGEST_PACKET) {
        this.#damaged(`something that is no packet at byte ${this.#offset}`);
        this.#broken = true;
        return bytes.length;
      }
      const end = header.pos + length;
      if (end > bytes.length) return at;
      if (tag >>> 3 === TRACE_PACKET && type === LENGTH_DELIMITED) await this.#packet(bytes.subarray(header.pos, end));
      this.#offset += end - at;
      at = end;
    }
    return at;
  }

  #varint(reader: PbfReader): number {
    this.#wide.read(reader);
    return this.#wide.value;
  }

  async #packet(bytes: Uint8Array): Promise<void> {
    const packed: Uint8Array[] = [];
    let found = false;
    try {
      const reader = new PbfReader(bytes);
      for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
        if (tag === Packet.FTRACE_EVENTS) {
          found = true;
          this.#bundle(inner(reader));
        } else if (tag === Packet.COMPRESSED_PACKETS) {
          found = true;
          packed.push(reader.readBytes());
        }
      }
    } catch {
      this.#damaged('a damaged packet');
      return;
    }
    if (!found) {
      this.#notes.stats.lines++;
      this.#notes.stats.notEvents++;
    }
    for (const one of packed) {
      const unpacked = await inflate(one, LARGEST_PACKET);
      if (unpacked === null) this.#damaged('damaged compressed packets');
      else if ((await this.#packets(unpacked)) < unpacked.length) this.#damaged('compressed packets that end early');
    }
  }

  /** What one CPU gathered. Its number may stand behind its events. */
  #bundle(reader: PbfReader): void {
    let cpu: number = UNKNOWN;
    let lost = false;
    const events: PbfReader[] = [];
    for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
      if (tag === Bundle.CPU) cpu = reader.readVarint();
      else if (tag === Bundle.EVENT) events.push(inner(reader));
      else if (tag === Bundle.LOST_EVENTS) lost = reader.readVarint() !== 0;
      else if (tag === Bundle.GENERIC_DESCRIPTORS) this.#described.set(...readDescriptor(inner(reader)));
    }
    for (const [index, event] of events.entries()) this.#event(event, cpu, lost && index === 0);
  }

  #event(reader: PbfReader, cpu: number, lost: boolean): void {
    const sample = this.#sample;
    const { stats } = this.#notes;
    clearCall(sample);
    sample.kind = EventKind.OTHER;
    sample.cpu = cpu;
    sample.pid = UNKNOWN;
    sample.context = Context.UNKNOWN;
    sample.time = 0;
    let name = '';
    let meaning: Meaning | undefined;
    for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
      if (tag === Event.TIMESTAMP) sample.time = this.#varint(reader) / NANOSECONDS;
      else if (tag === Event.PID) {
        this.#wide.read(reader);
        sample.pid = this.#wide.low | 0;
      } else if (tag === Event.COMMON_FLAGS) sample.context = contextOfFlags(reader.readVarint());
      else if (tag === Event.GENERIC) {
        const message = inner(reader);
        name = genericName(message);
        meaning = MEANINGS[meaningOf(name)];
        message.pos = 0;
        if (meaning !== undefined) this.#genericFields(message, meaning);
      } else if (tag >= FIRST_DESCRIBED) {
        const described = this.#described.get(tag);
        name = eventName(described?.name ?? '');
        meaning = MEANINGS[meaningOf(name)];
        if (described === undefined) stats.withoutFormat++;
        if (meaning !== undefined && described !== undefined) this.#describedFields(inner(reader), described, meaning);
      } else if (name === '') name = `Perfetto event ${tag}`;
    }
    if (lost) {
      stats.lines++;
      this.#holdLost(sample);
    }
    stats.lines++;
    sample.line = stats.lines;
    if (meaning === undefined) {
      if (stats.otherName === '') stats.otherName = name;
    } else {
      sample.kind = meaning.kind;
      sample.request = meaning.request;
      const reason = whyImpossible(meaning, sample, UNKNOWN);
      if (reason !== '') {
        this.#notes.damaged(stats.lines, this.#offset, reason);
        return;
      }
    }
    this.#order.hold(sample);
  }

  #holdLost({ time, cpu }: TraceEvent): void {
    const lost = new TraceEvent();
    lost.kind = EventKind.LOST;
    lost.time = time;
    lost.cpu = cpu;
    lost.line = this.#notes.stats.lines;
    this.#order.hold(lost);
  }

  #genericFields(reader: PbfReader, meaning: Meaning): void {
    for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
      if (tag !== Generic.FIELD) continue;
      const field = inner(reader);
      let name = '';
      for (let part = field.nextField(); part !== 0; part = field.nextField()) {
        if (part === GenericField.NAME) name = field.readString();
        else if (part === GenericField.TEXT) this.#text(meaning.fields[name], field.readString());
        else if (part === GenericField.UNSIGNED || part === GenericField.SIGNED) {
          this.#wide.read(field);
          this.#number(meaning.fields[name], part === GenericField.SIGNED ? this.#wide.signed : this.#wide.value);
        }
      }
    }
  }

  #describedFields(reader: PbfReader, described: DescribedEvent, meaning: Meaning): void {
    for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
      const field = described.fields.get(tag);
      const role = field === undefined ? undefined : meaning.fields[field.name];
      if (field === undefined || role === undefined) continue;
      if (field.type === TEXT_TYPE) this.#text(role, reader.readString());
      else if (reader.type === VARINT) {
        this.#wide.read(reader);
        this.#number(role, this.#valueOf(field));
      }
    }
  }

  #valueOf(field: DescribedField): number {
    if (field.zigzag) return this.#wide.zigzag;
    // INT64 and INT32 carry a sign, the unsigned types and booleans none.
    return field.type === 3 || field.type === 5 ? this.#wide.signed : this.#wide.value;
  }

  #text(role: Role | undefined, text: string): void {
    if (role !== Role.DEVICE || text === '') return;
    const name = ascii(text);
    this.#sample.device = this.#notes.devices.intern(name, 0, name.length);
  }

  #number(role: Role | undefined, value: number): void {
    const sample = this.#sample;
    switch (role) {
      case Role.IOVA:
        sample.iova = value;
        break;
      case Role.PA:
        sample.pa = value;
        break;
      case Role.SIZE:
        sample.size = value;
        break;
      case Role.UNMAPPED_SIZE:
        sample.unmappedSize = value;
        break;
      case Role.PROT:
        sample.prot = value;
        break;
      case Role.DOMAIN:
        sample.domain = this.#notes.domains.intern(this.#wide.high, this.#wide.low);
        break;
      case Role.GROUP:
        sample.group = value;
        break;
      case Role.DIRECTION:
        sample.direction = value;
        break;
    }
  }

  #damaged(reason: string): void {
    this.#notes.stats.lines++;
    this.#notes.damaged(this.#notes.stats.lines, this.#offset, reason, true);
  }
}

function genericName(reader: PbfReader): string {
  for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
    if (tag === Generic.NAME) return eventName(reader.readString());
  }
  return '';
}

/** `map` of `iommu/map`, `iommu.map`. */
function eventName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('.'), name.lastIndexOf(':')) + 1);
}

function joined(front: Uint8Array, back: Uint8Array): Uint8Array {
  if (front.length === 0) return back;
  const both = new Uint8Array(front.length + back.length);
  both.set(front);
  both.set(back, front.length);
  return both;
}
