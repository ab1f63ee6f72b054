import { describe, expect, it } from 'vitest';
import { type DescriptorLayout, shortLayout } from '../../../formats/index.ts';

/** A word of the kind, its level, its fields and their bits. */
type Kind = readonly [word: number, level: number, fields: string];

const LEAF_1 = 'b2 c3 af10 ap1:11 tex14-12 ap2:15 s16 ng17 supersection18 ns19';
const LEAF_2 = 'b2 c3 af4 ap1:5 ap2:9 s10 ng11';

/** Fields and bits as drawn in DDI 0406C, figures B3-4 and B3-5. */
const ARCHITECTURE: readonly Kind[] = [
  [0x1, 1, 'type1-0 pxn2 ns3 domain8-5 implementation9 base31-10'],
  [0x2, 1, `pxn0 type1 xn4 domain8-5 implementation9 ${LEAF_1} base31-20`],
  [0x40002, 1, `pxn0 type1 xn4 extended36:8-5 implementation9 ${LEAF_1} extended32:23-20 base31-24`],
  [0x1, 2, `type1-0 ${LEAF_2} tex14-12 xn15 base31-16`],
  [0x2, 2, `xn0 type1 ${LEAF_2} tex8-6 base31-12`],
  [0x3, 2, `xn0 type1 ${LEAF_2} tex8-6 base31-12`],
];

const PLAIN_1 = 'type1 b2 c3 pa33:4 pa34:5 pa32:9 tex14-12 s16 ng17 supersection18 ns19';
const PLAIN_2 = 'b2 c3 pa33:4 pa34:5 pa32:9 s10 ng11';

/** Linux io-pgtable-arm-v7s.c with ARM_MTK_EXT: ATTR_MTK_PA_BIT32 to 34 are bits 9, 4 and 5; no permissions, no domain, no XN. */
const MEDIATEK: readonly Kind[] = [
  [0x1, 1, 'type1-0 ns3 pa33:4 pa34:5 pa32:9 base31-10'],
  [0x2, 1, `${PLAIN_1} base31-20`],
  [0x40002, 1, `${PLAIN_1} base31-24`],
  [0x1, 2, `type1-0 ${PLAIN_2} tex14-12 base31-16`],
  [0x2, 2, `type1 ${PLAIN_2} tex8-6 base31-12`],
];

function drawn(layout: DescriptorLayout | null): string {
  const fields = Object.entries(layout?.fields ?? {}).map(([name, { lsb, width }]) => {
    const bits = width === 1 ? String(lsb) : `${lsb + width - 1}-${lsb}`;
    return /\d$/.test(name) ? `${name}:${bits}` : `${name}${bits}`;
  });
  return fields.sort().join(' ');
}

describe.each([
  ['the architecture', false, ARCHITECTURE],
  ['MediaTek', true, MEDIATEK],
] as const)('short descriptors of %s', (_, mediatek, kinds) => {
  it.each(kinds)('0x%x at level %i has its fields where the manual draws them', (word, level, fields) => {
    const layout = shortLayout(word, level, mediatek);
    expect(layout?.bits).toBe(32);
    expect(drawn(layout)).toBe(fields.split(' ').sort().join(' '));
  });

  it('has no fields when it is invalid', () => {
    expect([shortLayout(0xfffffffc, 1, mediatek), shortLayout(0, 2, mediatek)]).toEqual([null, null]);
  });
});
