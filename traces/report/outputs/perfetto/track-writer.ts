import { PbfWriter } from 'pbf';
import {
  Annotation,
  Counter,
  type CounterUnit,
  Descriptor,
  Event,
  EventType,
  Interned,
  InternedName,
  ORDER_EXPLICIT,
  Packet,
  SequenceFlag,
  TRACE_PACKET,
} from './schema.ts';

/** Bytes that are gathered before they are handed out. */
const CHUNK = 65_536;
const SEQUENCE = 1;

/** Where a trace goes, and what packs its packets. */
export interface TimelineSink {
  readonly write: (bytes: Uint8Array) => void;
  /** RFC 1950; packets are written as they are without it, four to five times as large. */
  readonly deflate?: (bytes: Uint8Array) => Uint8Array;
}

/** What is said of an event: numbers, addresses (shown in hexadecimal) and texts, each by its name. */
export interface Details {
  readonly numbers?: Readonly<Record<string, number>>;
  readonly addresses?: Readonly<Record<string, number>>;
  readonly texts?: Readonly<Record<string, string>>;
}

/** What a track is, besides its name. */
export interface TrackSpec {
  readonly name: string;
  /** The track that it stands under. */
  readonly parent?: number;
  /** Place among its siblings. */
  readonly rank?: number;
  /** There for a counter: what it counts. */
  readonly unit?: (typeof CounterUnit)[keyof typeof CounterUnit] | string;
}

/** The packet that is being written; one object is used for all. */
interface PacketDraft {
  track: number;
  nanoseconds: number;
  type: EventType;
  /** Number of the event's name; 0 for none. */
  name: number;
  details: Details | null;
  flows: readonly number[];
  value: number;
}

/**
 * Writes tracks and their events as packets of a Perfetto trace, in pieces of some 64 KiB. A name is written out where it comes first, and
 * numbered from there on (interned data). Events of one track may come in any order of time; those of one time keep theirs.
 */
export class TrackWriter {
  readonly #sink: TimelineSink;
  readonly #tracks = new Set<number>();
  readonly #eventNames = new Map<string, number>();
  readonly #annotationNames = new Map<string, number>();
  readonly #newNames: [field: number, id: number, name: string][] = [];
  readonly #draft: PacketDraft = {
    track: 0,
    nanoseconds: 0,
    type: EventType.BEGIN,
    name: 0,
    details: null,
    flows: [],
    value: 0,
  };
  #gathered = new PbfWriter();
  #first = true;

  /** @param sink takes the trace piece by piece */
  constructor(sink: TimelineSink) {
    this.#sink = sink;
  }

  /** Tells of a track before its first event; again is too often and changes nothing. @param spec is only asked for the first time */
  declare(track: number, spec: () => TrackSpec): void {
    if (this.#tracks.has(track)) return;
    this.#tracks.add(track);
    const { name, parent, rank, unit } = spec();
    this.#gathered.writeMessage(
      TRACE_PACKET,
      (_none, packet) => {
        packet.writeVarintField(Packet.SEQUENCE, SEQUENCE);
        this.#flags(packet, 0);
        packet.writeMessage(
          Packet.TRACK_DESCRIPTOR,
          (_nothing, descriptor) => {
            descriptor.writeVarintField(Descriptor.UUID, track);
            descriptor.writeStringField(Descriptor.NAME, name);
            if (parent !== undefined) descriptor.writeVarintField(Descriptor.PARENT, parent);
            if (rank !== undefined) descriptor.writeVarintField(Descriptor.RANK, rank);
            if (unit === undefined) descriptor.writeVarintField(Descriptor.CHILD_ORDERING, ORDER_EXPLICIT);
            else descriptor.writeMessage(Descriptor.COUNTER, counterUnit, unit);
          },
          null,
        );
      },
      null,
    );
  }

  begin(track: number, nanoseconds: number, name: string, details: Details | null = null, flows = NO_FLOWS): void {
    this.#event(EventType.BEGIN, track, nanoseconds, name, details, flows, 0);
  }

  end(track: number, nanoseconds: number): void {
    this.#event(EventType.END, track, nanoseconds, '', null, NO_FLOWS, 0);
  }

  instant(track: number, nanoseconds: number, name: string, details: Details | null = null, flows = NO_FLOWS): void {
    this.#event(EventType.INSTANT, track, nanoseconds, name, details, flows, 0);
  }

  count(track: number, nanoseconds: number, value: number): void {
    this.#event(EventType.COUNTER, track, nanoseconds, '', null, NO_FLOWS, value);
  }

  /** Hands out what is still gathered; the trace is whole then. */
  flush(): void {
    const bytes = this.#gathered.finish();
    this.#gathered = new PbfWriter();
    if (bytes.length === 0) return;
    const { write, deflate } = this.#sink;
    if (deflate === undefined) {
      write(bytes);
      return;
    }
    const packed = new PbfWriter();
    packed.writeMessage(
      TRACE_PACKET,
      (piece, packet) => packet.writeBytesField(Packet.COMPRESSED, piece),
      deflate(bytes),
    );
    write(packed.finish());
  }

  #event(
    type: EventType,
    track: number,
    nanoseconds: number,
    name: string,
    details: Details | null,
    flows: readonly number[],
    value: number,
  ): void {
    const draft = this.#draft;
    draft.type = type;
    draft.track = track;
    draft.nanoseconds = Math.max(0, Math.round(nanoseconds));
    draft.name = name === '' ? 0 : this.#numberOf(Interned.EVENT_NAMES, this.#eventNames, name);
    draft.details = details;
    draft.flows = flows;
    draft.value = value;
    if (details !== null) {
      for (const names of [details.numbers, details.addresses, details.texts]) {
        for (const key in names) this.#numberOf(Interned.ANNOTATION_NAMES, this.#annotationNames, key);
      }
    }
    this.#gathered.writeMessage(TRACE_PACKET, this.#writePacket, draft);
    if (this.#gathered.pos >= CHUNK) this.flush();
  }

  readonly #writePacket = (draft: PacketDraft, packet: PbfWriter): void => {
    packet.writeVarintField(Packet.TIMESTAMP, draft.nanoseconds);
    packet.writeVarintField(Packet.SEQUENCE, SEQUENCE);
    this.#flags(packet, SequenceFlag.NEEDS_STATE);
    if (this.#newNames.length > 0) {
      packet.writeMessage(Packet.INTERNED, writeNames, this.#newNames);
      this.#newNames.length = 0;
    }
    packet.writeMessage(Packet.TRACK_EVENT, this.#writeEvent, draft);
  };

  readonly #writeEvent = (draft: PacketDraft, event: PbfWriter): void => {
    event.writeVarintField(Event.TYPE, draft.type);
    event.writeVarintField(Event.TRACK, draft.track);
    if (draft.name !== 0) event.writeVarintField(Event.NAME_ID, draft.name);
    if (draft.type === EventType.COUNTER) {
      if (Number.isInteger(draft.value)) event.writeVarintField(Event.COUNTER_VALUE, draft.value);
      else event.writeDoubleField(Event.DOUBLE_COUNTER_VALUE, draft.value);
    }
    for (const flow of draft.flows) event.writeFixed64Field(Event.FLOWS, flow);
    const { details } = draft;
    if (details === null) return;
    for (const key in details.numbers) this.#annotate(event, Annotation.UNSIGNED, key, details.numbers[key]);
    for (const key in details.addresses) this.#annotate(event, Annotation.POINTER, key, details.addresses[key]);
    for (const key in details.texts) this.#annotate(event, Annotation.TEXT, key, details.texts[key]);
  };

  #annotate(event: PbfWriter, field: number, key: string, value: number | string | undefined): void {
    event.writeMessage(
      Event.ANNOTATION,
      (_none, annotation) => {
        annotation.writeVarintField(Annotation.NAME_ID, this.#annotationNames.get(key) ?? 0);
        if (typeof value === 'string') annotation.writeStringField(field, value);
        else annotation.writeVarintField(field, Math.max(value ?? 0, 0));
      },
      null,
    );
  }

  #flags(packet: PbfWriter, flags: number): void {
    const all = this.#first ? flags | SequenceFlag.CLEARED : flags;
    this.#first = false;
    if (all !== 0) packet.writeVarintField(Packet.SEQUENCE_FLAGS, all);
  }

  #numberOf(field: number, names: Map<string, number>, name: string): number {
    const known = names.get(name);
    if (known !== undefined) return known;
    const id = names.size + 1;
    names.set(name, id);
    this.#newNames.push([field, id, name]);
    return id;
  }
}

const NO_FLOWS: readonly number[] = [];

function counterUnit(unit: number | string, counter: PbfWriter): void {
  if (typeof unit === 'number') counter.writeVarintField(Counter.UNIT, unit);
  else counter.writeStringField(Counter.UNIT_NAME, unit);
}

function writeNames(names: readonly (readonly [number, number, string])[], interned: PbfWriter): void {
  for (const [field, id, name] of names) {
    interned.writeMessage(
      field,
      (_none, entry) => {
        entry.writeVarintField(InternedName.ID, id);
        entry.writeStringField(InternedName.NAME, name);
      },
      null,
    );
  }
}
