/**
 * What goes into a short-descriptor leaf: the attribute bits for each protection, worked out once per table so that a map call
 * looks them up, and the way back from a descriptor when a large leaf is split.
 */
import { type DescriptorLayout, encode, lowMask, type PlacedField, TWO_32 } from '../bits/index.ts';
import {
  MEDIATEK_SECTION,
  SHORT_LARGE_PAGE,
  SHORT_SECTION,
  SHORT_SMALL_PAGE,
  SHORT_SUPERSECTION,
  ShortType,
} from '../descriptors/index.ts';
import { Prot, Quirk } from '../table/index.ts';

/** Kinds of leaf, the row of {@link leafAttributes}. */
export const LeafKind = { SECTION: 0, SUPERSECTION: 1, SMALL_PAGE: 2, LARGE_PAGE: 3 } as const;
export type LeafKind = (typeof LeafKind)[keyof typeof LeafKind];

/** Protection flags that a leaf can hold. */
const PROT_MASK = Prot.READ | Prot.WRITE | Prot.CACHE | Prot.NOEXEC | Prot.MMIO | Prot.PRIV;
const PROTS = PROT_MASK + 1;

type LeafFields = 'type' | 'b' | 'c' | 'xn' | 'af' | 'ap1' | 'ap2' | 'tex' | 's' | 'ng';

const LAYOUTS: readonly DescriptorLayout<LeafFields>[] = [
  SHORT_SECTION,
  SHORT_SUPERSECTION,
  SHORT_SMALL_PAGE,
  SHORT_LARGE_PAGE,
];

/**
 * Attribute bits (everything but the address) of every kind of leaf for every protection, at `kind * 64 + prot`.
 *
 * Memory types, as indices TEX[0] C B of the remap registers: 1 device (`MMIO`), 4 normal non-cacheable, 7 normal write-back
 * (`CACHE`). Everything is shareable and not global. There is no way to say "not readable".
 */
export function leafAttributes(quirks: number): Uint32Array {
  const attributes = new Uint32Array(LAYOUTS.length * PROTS);
  const permissions = (quirks & Quirk.NO_PERMS) === 0;
  const nonSecure = (quirks & Quirk.ARM_NS) !== 0;
  for (const [kind, of] of LAYOUTS.entries()) {
    const large = kind === LeafKind.LARGE_PAGE;
    const levelOne = kind === LeafKind.SECTION || kind === LeafKind.SUPERSECTION;
    for (let prot = 0; prot < PROTS; prot++) {
      const device = (prot & Prot.MMIO) !== 0;
      const cached = !device && (prot & Prot.CACHE) !== 0;
      let word = encode(of, {
        // The type of the other kinds is bit 1 alone.
        type: large ? ShortType.LARGE_PAGE : 1,
        tex: device ? 0 : 1,
        c: cached ? 1 : 0,
        b: device || cached ? 1 : 0,
        s: 1,
        ng: 1,
      }).low;
      if (permissions) {
        word |= encode(of, {
          af: 1,
          ap1: (prot & Prot.PRIV) === 0 ? 1 : 0,
          ap2: (prot & Prot.WRITE) === 0 ? 1 : 0,
          xn: (prot & Prot.NOEXEC) === 0 ? 0 : 1,
        }).low;
      }
      if (levelOne && nonSecure) word |= lowMask(SHORT_SECTION.fields.ns);
      if (kind === LeafKind.SUPERSECTION) word |= SUPERSECTION_BIT;
      attributes[kind * PROTS + prot] = word;
    }
  }
  return attributes;
}

/** Index into {@link leafAttributes}. Unknown protection flags are ignored, as Linux ignores them. */
export function attributeIndex(kind: LeafKind, prot: number): number {
  return kind * PROTS + (prot & PROT_MASK);
}

/** Bits of a field as a 32-bit integer, which the engine keeps unboxed wherever it goes. */
export function fieldMask(field: PlacedField): number {
  return lowMask(field) | 0;
}

/** Tells a supersection from a section. */
export const SUPERSECTION_BIT = fieldMask(SHORT_SECTION.fields.supersection);
/** Clear in a large page, set in a small one. */
export const SMALL_PAGE_BIT = fieldMask(SHORT_SMALL_PAGE.fields.type);

const SECTION_XN = lowMask(SHORT_SECTION.fields.xn);
const SECTION_C = lowMask(SHORT_SECTION.fields.c);
const SECTION_TEX = lowMask(SHORT_SECTION.fields.tex);
const SECTION_AP1 = lowMask(SHORT_SECTION.fields.ap1);
const SECTION_AP2 = lowMask(SHORT_SECTION.fields.ap2);

/** The protection that a section grants. Without permissions (NO_PERMS) the result encodes to the same attributes again. */
export function sectionProt(word: number): number {
  let prot: number = Prot.READ;
  if ((word & SECTION_AP2) === 0) prot |= Prot.WRITE;
  if ((word & SECTION_AP1) === 0) prot |= Prot.PRIV;
  if ((word & SECTION_TEX) === 0) prot |= Prot.MMIO;
  else if ((word & SECTION_C) !== 0) prot |= Prot.CACHE;
  if ((word & SECTION_XN) !== 0) prot |= Prot.NOEXEC;
  return prot;
}

const LARGE_ONLY = lowMask(SHORT_LARGE_PAGE.fields.xn) | lowMask(SHORT_LARGE_PAGE.fields.tex) | ShortType.LARGE_PAGE;

/** The small page with a large page's attributes and its first address: XN, TEX and the type stand elsewhere. */
export function largeToSmall(word: number): number {
  const { xn, tex } = SHORT_LARGE_PAGE.fields;
  const moved = encode(SHORT_SMALL_PAGE, {
    type: 1,
    xn: (word & lowMask(xn)) >>> xn.lsb,
    tex: (word & lowMask(tex)) >>> tex.lsb,
  }).low;
  return ((word & ~LARGE_ONLY) | moved) >>> 0;
}

const { pa32, pa33, pa34 } = MEDIATEK_SECTION.fields;

/** MediaTek's bits for address bits 34:32, which stand at the same places in every descriptor. */
export function mediatekBits(pa: number): number {
  const high = (pa / TWO_32) & 7;
  return ((high & 1) << pa32.lsb) | (((high >> 1) & 1) << pa33.lsb) | ((high >> 2) << pa34.lsb);
}

/** The address bits 34:32 that MediaTek's bits in `word` stand for, as a part of an address. */
export function mediatekHigh(word: number): number {
  return (((word >>> pa32.lsb) & 1) + ((word >>> pa33.lsb) & 1) * 2 + ((word >>> pa34.lsb) & 1) * 4) * TWO_32;
}
