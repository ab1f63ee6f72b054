import { inflateSync } from 'node:zlib';
import { PbfReader } from 'pbf';

/** A message as field numbers and values. */
type Message = Map<number, (number | string | Uint8Array | Message)[]>;
/** The types of a message's fields, as Perfetto's `.proto` files declare them: a field that is not named here fails. */
interface Shape {
  readonly varint?: readonly number[];
  readonly fixed64?: readonly number[];
  readonly double?: readonly number[];
  readonly text?: readonly number[];
  readonly bytes?: readonly number[];
  readonly nested?: Readonly<Record<number, Shape>>;
}

const NAME: Shape = { varint: [1], text: [2] };
const TRACE: Shape = {
  nested: {
    // TracePacket
    1: {
      varint: [8, 10, 13],
      bytes: [50],
      nested: {
        // TrackEvent, with DebugAnnotation
        11: {
          varint: [9, 10, 11, 30],
          fixed64: [47],
          double: [44],
          nested: { 4: { varint: [1, 3, 7], text: [6] } },
        },
        // InternedData
        12: { nested: { 2: NAME, 3: NAME } },
        // TrackDescriptor, with CounterDescriptor
        60: { varint: [1, 5, 11, 12], text: [2], nested: { 8: { varint: [3], text: [6] } } },
      },
    },
  },
};

function decode(reader: PbfReader, end: number, shape: Shape): Message {
  const message: Message = new Map();
  while (reader.pos < end) {
    const key = reader.readVarint();
    const field = key >> 3;
    const inner = shape.nested?.[field];
    let value: number | string | Uint8Array | Message;
    if ((key & 7) === 0 && shape.varint?.includes(field)) value = reader.readVarint();
    else if ((key & 7) === 1 && shape.fixed64?.includes(field)) value = reader.readFixed64();
    else if ((key & 7) === 1 && shape.double?.includes(field)) value = reader.readDouble();
    else if ((key & 7) === 2 && shape.text?.includes(field)) value = reader.readString();
    else if ((key & 7) === 2 && shape.bytes?.includes(field)) value = reader.readBytes();
    else if ((key & 7) === 2 && inner !== undefined) value = decode(reader, reader.readVarint() + reader.pos, inner);
    else throw new Error(`field ${field} of type ${key & 7}`);
    message.set(field, [...(message.get(field) ?? []), value]);
  }
  return message;
}

export interface Slice {
  readonly track: string;
  readonly name: string;
  /** Names of the slices around it, the outermost first. */
  readonly inside: readonly string[];
  readonly start: number;
  /** Nanoseconds; 0 for an instant. */
  duration: number;
  readonly flows: readonly number[];
  readonly details: Readonly<Record<string, number | string>>;
}

export interface Timeline {
  /** Tracks by name, with the name of the one that each stands under. */
  readonly tracks: ReadonlyMap<string, string | null>;
  readonly slices: readonly Slice[];
  readonly counters: ReadonlyMap<string, readonly number[]>;
}

/** Reads a trace as Perfetto's trace processor does: packets by time, names by number, slices that are closed by the next end on their track. */
export function readTimeline(bytes: Uint8Array): Timeline {
  const packets = packetsOf(bytes);
  const tracks = new Map<string, string | null>();
  const byNumber = new Map<number, string>();
  const eventNames = new Map<number, string>();
  const annotationNames = new Map<number, string>();
  const events: { at: number; event: Message; details: Record<string, number | string>; name: string }[] = [];
  packets.forEach((packet, index) => {
    if (number(packet, 10) !== 1) throw new Error('no sequence');
    if (((number(packet, 13) ?? 0) & 1) !== (index === 0 ? 1 : 0)) throw new Error('state is cleared once, at first');
    for (const track of all(packet, 60)) {
      const name = String(track.get(2)?.[0]);
      byNumber.set(number(track, 1) ?? -1, name);
      const parent = number(track, 5);
      if (parent !== null && !byNumber.has(parent)) throw new Error(`${name} stands under an unknown track`);
      tracks.set(name, parent === null ? null : (byNumber.get(parent) ?? null));
    }
    for (const names of all(packet, 12)) {
      for (const one of all(names, 2)) eventNames.set(number(one, 1) ?? 0, String(one.get(2)?.[0]));
      for (const one of all(names, 3)) annotationNames.set(number(one, 1) ?? 0, String(one.get(2)?.[0]));
    }
    for (const event of all(packet, 11)) {
      if (((number(packet, 13) ?? 0) & 2) === 0) throw new Error('uses names without saying so');
      if (!byNumber.has(number(event, 11) ?? -1)) throw new Error('an event on an unknown track');
      const details: Record<string, number | string> = {};
      for (const one of all(event, 4)) {
        const value = one.get(3)?.[0] ?? one.get(7)?.[0] ?? one.get(6)?.[0];
        details[annotationNames.get(number(one, 1) ?? 0) ?? '?'] = value as number | string;
      }
      const name = eventNames.get(number(event, 10) ?? 0) ?? '';
      events.push({ at: number(packet, 8) ?? 0, event, details, name });
    }
  });
  events.sort((a, b) => a.at - b.at);
  const slices: Slice[] = [];
  const counters = new Map<string, number[]>();
  const open = new Map<string, Slice[]>();
  for (const { at, event, details, name } of events) {
    const track = byNumber.get(number(event, 11) ?? -1) ?? '';
    const type = number(event, 9);
    const stack = open.get(track) ?? [];
    open.set(track, stack);
    if (type === 4) {
      const value = event.get(30)?.[0] ?? event.get(44)?.[0];
      const values = counters.get(track) ?? [];
      counters.set(track, values);
      values.push(value as number);
    } else if (type === 2) {
      const slice = stack.pop();
      if (slice === undefined) throw new Error(`an end without a beginning on ${track}`);
      slice.duration = at - slice.start;
    } else {
      const flows = (event.get(47) ?? []) as number[];
      const slice = { track, name, inside: stack.map((one) => one.name), start: at, duration: 0, flows, details };
      slices.push(slice);
      if (type === 1) stack.push(slice);
    }
  }
  for (const [track, stack] of open) if (stack.length > 0) throw new Error(`a slice never ends on ${track}`);
  return { tracks, slices, counters };
}

/** The packets of a trace; those that are packed in others are taken out, in order. */
function packetsOf(bytes: Uint8Array): Message[] {
  return all(decode(new PbfReader(bytes), bytes.length, TRACE), 1).flatMap((packet) => {
    const packed = packet.get(50)?.[0];
    if (!(packed instanceof Uint8Array)) return packet;
    if (packet.size !== 1) throw new Error('packed packets stand alone in theirs');
    return packetsOf(inflateSync(packed));
  });
}

function all(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).filter((one): one is Message => one instanceof Map);
}

function number(message: Message, field: number): number | null {
  const value = message.get(field)?.[0];
  return typeof value === 'number' ? value : null;
}
