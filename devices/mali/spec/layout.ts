import { type BitField, type DescriptorLayout, layout } from '../../../formats/index.ts';

/**
 * Where the facts of this folder are from. Arm publishes no manual of the Mali MMU: what is known is what the open drivers write, and
 * the names are theirs.
 */
export const PANFROST_REGS = 'Linux drivers/gpu/drm/panfrost/panfrost_regs.h';
export const PANTHOR_REGS = 'Linux drivers/gpu/drm/panthor/panthor_regs.h';

/** A register whose fields all have one source. */
export function registerLayout<Name extends string>(
  title: string,
  bits: 32 | 64,
  source: string,
  fields: Readonly<Record<Name, Omit<BitField, 'source'>>>,
): DescriptorLayout<Name> {
  const sourced: Partial<Record<Name, BitField>> = {};
  for (const name of Object.keys(fields) as Name[]) sourced[name] = { ...fields[name], source };
  return layout(title, bits, sourced as Record<Name, BitField>);
}
