/** The IPMMU drivers of Linux and Xen, held against what the real ones did. */
export { IPMMU_LINUX } from './linux.ts';
export { IPMMU_XEN } from './xen.ts';
