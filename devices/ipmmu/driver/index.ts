/** What Linux and Xen do with an IPMMU-VMSA. */
export { IpmmuDriver } from './iommu-driver.ts';
export type { IpmmuKernel } from './kernel.ts';
export {
  type FaultHandler,
  type IpmmuMaster,
  type LinuxIpmmuDomain,
  LinuxIpmmuDriver,
  type LinuxIpmmuParts,
} from './linux.ts';
export { LinuxKernel } from './linux-kernel.ts';
export { IpmmuUnit } from './unit.ts';
export { type MicroTlb, type XenIpmmuDomain, XenIpmmuDriver, type XenIpmmuParts } from './xen.ts';
export { XenKernel } from './xen-kernel.ts';
export {
  type XenTableFormat,
  XenTablePool,
  type XenTableSource,
  type XenTables,
} from './xen-tables.ts';
