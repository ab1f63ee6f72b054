/** How a new VM's address space is divided between user space and the kernel (`panthor_vm_create_check_args`). */
import { Errno } from '../../../../../formats/index.ts';

/** Least room for the kernel's own objects. */
const LEAST_KERNEL_RANGE = 2 ** 28;
/** Above this the kernel takes half by default, else as little as it can. */
const SMALL_SPACE = 2 ** 32;

export interface VaSplit {
  /** 0, or -EINVAL: then the rest is 0. */
  readonly result: number;
  readonly kernelStart: number;
  /** Bytes, a power of two, up to the end of the space. */
  readonly kernelRange: number;
}

const REFUSED: VaSplit = { result: -Errno.EINVAL, kernelStart: 0, kernelRange: 0 };

/**
 * @param vaBits address bits of the GPU
 * @param asked bytes that user space wants from address 0 on; 0 for what suits
 * @param flags of the creation call: none is defined
 * @param taskSize bytes of address space of a process: user space likes to have the same addresses on CPU and GPU
 */
export function splitAddressSpace(vaBits: number, asked: number, flags: number, taskSize: number): VaSplit {
  const full = 2 ** vaBits;
  if (flags !== 0 || full < LEAST_KERNEL_RANGE) return REFUSED;
  let user = asked;
  if (user === 0) {
    if (taskSize < full) user = taskSize;
    else user = full > SMALL_SPACE ? full / 2 : full - LEAST_KERNEL_RANGE;
  }
  user = Math.min(user, full - LEAST_KERNEL_RANGE);
  if (user === 0 || asked > user) return REFUSED;
  const kernelRange = 2 ** Math.floor(Math.log2(full - user));
  return { result: 0, kernelStart: full - kernelRange, kernelRange };
}
