/** What a descriptor says, field by field, for people: reads the same layout tables as the code that writes descriptors. */
import { type DescriptorLayout, type ExplainedField, explain, layout } from './bits/index.ts';
import { lpaeLayout, maliLayout, shortLayout } from './descriptors/index.ts';
import { type IoPgtableFormat, Quirk } from './table/index.ts';

/** A descriptor taken apart. */
export interface ExplainedDescriptor {
  /** What kind of descriptor it is. */
  readonly title: string;
  /** Its fields, lowest bit first. */
  readonly fields: readonly ExplainedField[];
}

/** An entry of a short-descriptor table that maps nothing. */
const SHORT_INVALID: DescriptorLayout = layout('invalid', 32, {
  type: { lsb: 0, width: 2, meaning: 'descriptor type', values: { 0: 'invalid' }, source: 'DDI 0406 B3.5.1' },
});

/**
 * The layout that describes a descriptor of `format` at `level` whose low half (or whole, for a short one) is `low`.
 * @param quirks the table's {@link Quirk} bits: MediaTek's short descriptors have fields of their own.
 * @param granuleShift log2 of the granule of an LPAE table: it decides which bits are address bits.
 */
export function descriptorLayout(
  format: IoPgtableFormat,
  level: number,
  low: number,
  quirks = 0,
  granuleShift = 12,
): DescriptorLayout {
  switch (format) {
    case 'ARM_64_LPAE_S1':
    case 'ARM_32_LPAE_S1':
      return lpaeLayout(1, level, low, granuleShift);
    case 'ARM_MALI_LPAE':
      return maliLayout(low);
    case 'ARM_V7S':
      return shortLayout(low, level, (quirks & Quirk.ARM_MTK_EXT) !== 0) ?? SHORT_INVALID;
    default:
      return lpaeLayout(2, level, low, granuleShift);
  }
}

/**
 * Every field of a descriptor with its value and what that value means. `high` is 0 for short descriptors; `quirks` and
 * `granuleShift` are the table's, as for {@link descriptorLayout}.
 */
export function explainDescriptor(
  format: IoPgtableFormat,
  level: number,
  low: number,
  high: number,
  quirks = 0,
  granuleShift = 12,
): ExplainedDescriptor {
  const found = descriptorLayout(format, level, low, quirks, granuleShift);
  return { title: found.title, fields: explain(found, low, high) };
}
