/**
 * The few messages of a Perfetto trace that hold ftrace events. Field numbers are those of Perfetto's `protos/perfetto/trace`: `trace.proto`,
 * `trace_packet.proto`, `ftrace/ftrace_event_bundle.proto`, `ftrace/ftrace_event.proto`, `ftrace/generic.proto`, and of `descriptor.proto` of protobuf.
 */
import { PbfReader } from 'pbf';

/** Field of the trace: a packet. */
export const TRACE_PACKET = 1;
export const Packet = { FTRACE_EVENTS: 1, COMPRESSED_PACKETS: 50 } as const;
export const Bundle = { CPU: 1, EVENT: 2, LOST_EVENTS: 3, GENERIC_DESCRIPTORS: 11 } as const;
export const Event = { TIMESTAMP: 1, PID: 2, COMMON_FLAGS: 5, GENERIC: 327 } as const;
export const Generic = { NAME: 1, FIELD: 2 } as const;
export const GenericField = { NAME: 1, TEXT: 3, SIGNED: 4, UNSIGNED: 5 } as const;
const GenericDescriptor = { FIELD_ID: 1, DESCRIPTOR: 2 } as const;
const Descriptor = { NAME: 1, FIELD: 2 } as const;
const FieldDescriptor = { NAME: 1, NUMBER: 3, TYPE: 5 } as const;
/** Fields of an event from here on are described by the trace itself. */
export const FIRST_DESCRIBED = 65_536;

const TWO_TO_32 = 2 ** 32;

/** Types of `FieldDescriptorProto.Type` that turn the sign into the lowest bit. */
const ZIGZAG_TYPES: readonly number[] = [17, 18];
export const TEXT_TYPE = 9;

/** One field of an event that the trace describes. */
export interface DescribedField {
  readonly name: string;
  readonly type: number;
  readonly zigzag: boolean;
}

/** An event that the trace describes. */
export interface DescribedEvent {
  readonly name: string;
  readonly fields: ReadonlyMap<number, DescribedField>;
}

/** A number of 64 bits, whose low bits a double might lose. */
export class Wide {
  high = 0;
  low = 0;

  /** Reads a varint. @throws RangeError at the end of the message */
  read(reader: PbfReader): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (reader.pos >= reader.length || shift > 63) throw new RangeError('a number without end');
      const byte = reader.buf[reader.pos++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  /** As a double: exact below 2^53. */
  get value(): number {
    return this.high * TWO_TO_32 + this.low;
  }

  /** The same, if the highest bit is a sign. */
  get signed(): number {
    return (this.high | 0) * TWO_TO_32 + this.low;
  }

  /** The same, if the lowest bit is a sign. */
  get zigzag(): number {
    const value = this.value;
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** The bytes of a message inside another. @throws RangeError when it reaches beyond */
export function inner(reader: PbfReader): PbfReader {
  const bytes = reader.readBytes();
  if (reader.pos > reader.length) throw new RangeError('a message that reaches beyond its packet');
  return new PbfReader(bytes);
}

/** `GenericEventDescriptor`: how the fields of an event with a number of its own are called. */
export function readDescriptor(reader: PbfReader): readonly [number, DescribedEvent] {
  let id = 0;
  let event: DescribedEvent = { name: '', fields: new Map() };
  for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
    if (tag === GenericDescriptor.FIELD_ID) id = reader.readVarint();
    else if (tag === GenericDescriptor.DESCRIPTOR) event = readMessageDescriptor(inner(reader));
  }
  return [id, event];
}

function readMessageDescriptor(reader: PbfReader): DescribedEvent {
  let name = '';
  const fields = new Map<number, DescribedField>();
  for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
    if (tag === Descriptor.NAME) name = reader.readString();
    else if (tag === Descriptor.FIELD) {
      const [number, field] = readFieldDescriptor(inner(reader));
      fields.set(number, field);
    }
  }
  return { name, fields };
}

function readFieldDescriptor(reader: PbfReader): readonly [number, DescribedField] {
  let [name, number, type] = ['', 0, 0];
  for (let tag = reader.nextField(); tag !== 0; tag = reader.nextField()) {
    if (tag === FieldDescriptor.NAME) name = reader.readString();
    else if (tag === FieldDescriptor.NUMBER) number = reader.readVarint();
    else if (tag === FieldDescriptor.TYPE) type = reader.readVarint();
  }
  return [number, { name, type, zigzag: ZIGZAG_TYPES.includes(type) }];
}
