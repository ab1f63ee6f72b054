/**
 * The layout of trace records, as the kernel describes it in `events/SYSTEM/NAME/format` files, which recorders copy into their captures: so fields
 * that a vendor added or a newer kernel moved are found where that kernel put them.
 */

/** One field of a record. */
export interface FormatField {
  readonly name: string;
  /** The declaration without the name: `__data_loc char[]`, `u64`. */
  readonly type: string;
  /** Bytes from the start of the record. */
  readonly offset: number;
  /** Bytes; of a variable-length field, of its locator. */
  readonly size: number;
  readonly signed: boolean;
  /** How the value is stored. */
  readonly storage: 'number' | 'text' | 'data-loc' | 'relative-data-loc';
  /** Of an array of numbers, bytes of one element; else 0. */
  readonly element: number;
}

/** What one format file says. */
export interface EventFormat {
  readonly system: string;
  readonly name: string;
  /** The number in `common_type` of its records. */
  readonly id: number;
  readonly fields: readonly FormatField[];
}

const FIELD = /field(?: special)?:\s*([^;]+);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d);)?/g;

const HEAD = /^name:\s*(\S+)\s+ID:\s*(\d+)/;

/**
 * Reads a format file; null if it is none. A kernel has two thousand of them, so the fields are read only of those that matter.
 * @param matters by name
 */
export function parseEventFormat(
  system: string,
  text: string,
  matters: (name: string) => boolean = () => true,
): EventFormat | null {
  const [, name, id] = HEAD.exec(text) ?? [];
  if (name === undefined) return null;
  return { system, name, id: Number(id), fields: matters(name) ? parseFields(text) : [] };
}

/** The fields of a format file, or of the description of a page or a record header. */
export function parseFields(text: string): FormatField[] {
  return Array.from(text.matchAll(FIELD), ([, declaration = '', offset, size, signed]) => {
    const { name, type } = splitDeclaration(declaration);
    return {
      name,
      type,
      offset: Number(offset),
      size: Number(size),
      signed: signed === '1',
      ...storageOf(type),
    };
  });
}

/** `unsigned char comm[16]` is a `comm` of the type `unsigned char[16]`. */
function splitDeclaration(declaration: string): { name: string; type: string } {
  const match = /^(.*?[\s*])([A-Za-z_]\w*)\s*((?:\[[^\]]*\])*)$/.exec(declaration.trim());
  if (match === null) return { name: declaration.trim(), type: '' };
  const [, type = '', name = '', array = ''] = match;
  return { name, type: type.trim() + array };
}

function storageOf(type: string): Pick<FormatField, 'storage' | 'element'> {
  const element = elementSize(type);
  if (/^__rel_loc\b|^__rel_data_loc\b/.test(type)) return { storage: 'relative-data-loc', element };
  if (/^__data_loc\b/.test(type)) return { storage: 'data-loc', element };
  if (/\bchar\s*\[/.test(type)) return { storage: 'text', element: 1 };
  return { storage: 'number', element: 0 };
}

/** Bytes of one element of an array that can hold addresses or sizes. */
function elementSize(type: string): number {
  if (/\b(u64|s64|__u64|long|size_t|dma_addr_t|phys_addr_t|uint64_t)\b/.test(type)) return 8;
  if (/\b(u32|s32|__u32|int|uint32_t)\b/.test(type)) return 4;
  return 1;
}
