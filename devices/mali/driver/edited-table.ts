import type { IoPgtable } from '../../../formats/index.ts';

/** What the drivers of Mali need of a table. */
export type EditedTable = Pick<IoPgtable, 'registers' | 'mapped' | 'mapPages' | 'unmapPages' | 'iovaToPhys' | 'free'>;
