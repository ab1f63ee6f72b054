import type { CaptureNotes } from '../events/index.ts';
import {
  type Context,
  clearCall,
  contextOfFlags,
  EventKind,
  MEANINGS,
  type Meaning,
  meaningOf,
  Role,
  type TraceEvent,
  UNKNOWN,
  whyImpossible,
} from '../events/index.ts';
import type { EventFormat, FormatField } from './event-format.ts';

const TWO_TO_32 = 2 ** 32;
/** Elements of a list that are added up; a longer list is damage. */
const MOST_ELEMENTS = 8192;

/** Where the fields stand that every record of a capture begins with. */
export interface CommonFields {
  /** Offset and size of `common_type`. */
  readonly type: FormatField;
  readonly flags: FormatField | null;
  readonly pid: FormatField | null;
}

/** One field of interest of one event. */
interface RoleField {
  readonly role: Role;
  readonly field: FormatField;
}

/** How to read the records of one event. */
class Layout {
  readonly meaning: Meaning;
  readonly fields: readonly RoleField[];
  /** Bytes that a record must have. */
  readonly length: number;

  constructor(meaning: Meaning, format: EventFormat) {
    this.meaning = meaning;
    const fields: RoleField[] = [];
    for (const field of format.fields) {
      const role = meaning.fields[field.name];
      if (role !== undefined) fields.push({ role, field });
    }
    this.fields = fields;
    this.length = fields.reduce((length, { field }) => Math.max(length, field.offset + field.size), 0);
  }
}

/** Makes events of trace records, by the formats that the capture itself holds. */
export class RecordDecoder {
  /** Why the last {@link decode} failed. */
  reason = '';
  readonly #notes: CaptureNotes;
  readonly #littleEndian: boolean;
  /** By the record's type; null for an event of no interest. */
  readonly #layouts: (Layout | null | undefined)[] = [];
  readonly #names = new Map<number, string>();
  readonly #common: CommonFields;
  /** A string being read. */
  #text: Uint8Array = new Uint8Array(0);

  /** @param formats every format of the capture */
  constructor(notes: CaptureNotes, littleEndian: boolean, formats: readonly EventFormat[]) {
    this.#notes = notes;
    this.#littleEndian = littleEndian;
    for (const format of formats) {
      this.#names.set(format.id, format.name);
      this.#layouts[format.id] = layoutOf(format);
    }
    this.#common = commonOf(formats);
  }

  /**
   * Reads a record into an event; its time, CPU and place in the capture are the caller's business.
   * @param view of the bytes that hold the record
   * @param at its first byte
   * @param end behind its last byte
   * @returns false, with {@link reason} set, if it is damaged
   */
  decode(view: DataView, at: number, end: number, event: TraceEvent): boolean {
    clearCall(event);
    event.kind = EventKind.OTHER;
    const { type, flags, pid } = this.#common;
    if (end - at < 8) return this.#fail('a record of less than 8 bytes');
    const id = this.#number(view, at, type);
    event.pid = pid === null ? UNKNOWN : this.#number(view, at, pid);
    event.context = flags === null ? UNKNOWN_CONTEXT : contextOfFlags(this.#number(view, at, flags));
    const layout = this.#layouts[id];
    if (layout === undefined) {
      this.#notes.stats.withoutFormat++;
      if (this.#notes.stats.otherName === '') this.#notes.stats.otherName = `event ${id}, whose format is missing`;
      return true;
    }
    if (layout === null) {
      if (this.#notes.stats.otherName === '') this.#notes.stats.otherName = this.#names.get(id) ?? '';
      return true;
    }
    if (end - at < layout.length) return this.#fail('a record shorter than its fields');
    const { meaning } = layout;
    event.kind = meaning.kind;
    event.request = meaning.request;
    for (const one of layout.fields) {
      if (!this.#field(one, view, at, end, event)) return false;
    }
    this.reason = whyImpossible(meaning, event, UNKNOWN);
    return this.reason === '';
  }

  #fail(reason: string): boolean {
    this.reason = reason;
    return false;
  }

  #field({ role, field }: RoleField, view: DataView, at: number, end: number, event: TraceEvent): boolean {
    switch (role) {
      case Role.IOVA:
        event.iova = this.#number(view, at, field);
        return true;
      case Role.PA:
        event.pa = this.#number(view, at, field);
        return true;
      case Role.SIZE:
        event.size = this.#number(view, at, field);
        return true;
      case Role.UNMAPPED_SIZE:
        event.unmappedSize = this.#number(view, at, field);
        return true;
      case Role.PROT:
        event.prot = this.#number(view, at, field);
        return true;
      case Role.GROUP:
        event.group = this.#number(view, at, field);
        return true;
      case Role.DIRECTION:
        event.direction = this.#number(view, at, field);
        return true;
      case Role.DOMAIN:
        event.domain = this.#pointer(view, at, field);
        return true;
      case Role.DEVICE:
        return this.#device(view, at, end, field, event);
      case Role.IOVAS:
      case Role.SIZES:
        return this.#list(role, view, at, end, field, event);
    }
  }

  #number(view: DataView, record: number, { offset, size, signed }: FormatField): number {
    const at = record + offset;
    const little = this.#littleEndian;
    switch (size) {
      case 8: {
        const low = view.getUint32(little ? at : at + 4, little);
        const high = view.getUint32(little ? at + 4 : at, little);
        return high * TWO_TO_32 + low;
      }
      case 4:
        return signed ? view.getInt32(at, little) : view.getUint32(at, little);
      case 2:
        return signed ? view.getInt16(at, little) : view.getUint16(at, little);
      default:
        return signed ? view.getInt8(at) : view.getUint8(at);
    }
  }

  #pointer(view: DataView, record: number, field: FormatField): number {
    const { domains } = this.#notes;
    if (field.size < 8) return domains.intern(0, this.#number(view, record, field));
    const little = this.#littleEndian;
    const at = record + field.offset;
    return domains.intern(view.getUint32(little ? at + 4 : at, little), view.getUint32(little ? at : at + 4, little));
  }

  /** Start and length of a variable field in the view: `length << 16 | offset`; false if it reaches beyond the record. */
  #locate(view: DataView, record: number, end: number, field: FormatField): boolean {
    if (field.storage === 'text') {
      this.#start = record + field.offset;
      this.#length = field.size;
      return true;
    }
    const locator = view.getUint32(record + field.offset, this.#littleEndian);
    const base = field.storage === 'relative-data-loc' ? record + field.offset + field.size : record;
    this.#start = base + (locator & 0xffff);
    this.#length = locator >>> 16;
    return this.#start + this.#length <= end || this.#fail(`${field.name} reaches beyond its record`);
  }

  #start = 0;
  #length = 0;

  #device(view: DataView, record: number, end: number, field: FormatField, event: TraceEvent): boolean {
    if (field.storage === 'number') return true;
    if (!this.#locate(view, record, end, field)) return false;
    if (this.#text.buffer !== view.buffer || this.#text.byteOffset !== view.byteOffset) {
      this.#text = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    }
    const start = this.#start;
    let stop = start;
    while (stop < start + this.#length && this.#text[stop] !== 0) stop++;
    if (stop > start) event.device = this.#notes.devices.intern(this.#text, start, stop);
    return true;
  }

  #list(role: Role, view: DataView, record: number, end: number, field: FormatField, event: TraceEvent): boolean {
    if (field.storage === 'number' || field.storage === 'text') return true;
    if (!this.#locate(view, record, end, field)) return false;
    const { element } = field;
    const count = Math.floor(this.#length / element);
    if (count === 0) return true;
    if (count > MOST_ELEMENTS) return this.#fail(`${field.name} has ${count} elements`);
    const one = { ...field, offset: 0, size: element };
    if (role === Role.IOVAS) {
      event.iova = this.#number(view, this.#start, one);
      return true;
    }
    let sum = 0;
    for (let index = 0; index < count; index++) sum += this.#number(view, this.#start + index * element, one);
    event.size = sum;
    return true;
  }
}

const UNKNOWN_CONTEXT: Context = -1;

/** How to read an event, or null if it means nothing here: by its name, and it must have the fields that the name promises. */
function layoutOf(format: EventFormat): Layout | null {
  const meaning = MEANINGS[meaningOf(format.name)];
  if (meaning === undefined) return null;
  const layout = new Layout(meaning, format);
  const roles = new Set(layout.fields.map(({ role }) => role));
  const isCall = meaning.kind === EventKind.MAP || meaning.kind === EventKind.UNMAP;
  // Other systems have events called "map" too.
  if (isCall && !(roles.has(Role.IOVA) && roles.has(Role.SIZE))) return null;
  return layout;
}

const COMMON_TYPE: FormatField = {
  name: 'common_type',
  type: 'unsigned short',
  offset: 0,
  size: 2,
  signed: false,
  storage: 'number',
  element: 0,
};

function commonOf(formats: readonly EventFormat[]): CommonFields {
  const fields = formats[0]?.fields ?? [];
  const of = (name: string): FormatField | null =>
    fields.find((field) => field.name === name && field.offset + field.size <= 8) ?? null;
  return { type: of('common_type') ?? COMMON_TYPE, flags: of('common_flags'), pid: of('common_pid') };
}
