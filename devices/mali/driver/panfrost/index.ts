/** Linux's panfrost: the driver of Mali GPUs with a job manager. */
export { AddressSpaces } from './address-spaces.ts';
export { PanfrostBuffer } from './buffer.ts';
export { type ContextRegisters, NO_SLOT, PanfrostContext } from './context.ts';
export { PanfrostDriver } from './driver.ts';
export { type PanfrostDomain, PanfrostIommuDriver } from './iommu-driver.ts';
export type { MaliFeatures, PanfrostPorts, PanfrostWarning } from './ports.ts';
export { PANFROST_PROFILES, type PanfrostProfile } from './profile.ts';
