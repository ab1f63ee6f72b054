/** A computer with an IPMMU system and Linux's driver on it. */
import { IPMMU_LEAF_STRIDE, Ipmmu, type IpmmuOptions, LinuxIpmmuDriver } from '../../../devices/index.ts';
import { Bus, BusView, DmaApi, type MmuOptions, PhysicalMemory } from '../../../emulator/index.ts';
import { BumpAllocator } from '../bump-allocator.ts';

export const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 0x1000_0000;

export function ipmmuMachine(config: IpmmuOptions = {}, mmu: MmuOptions = {}) {
  const memory = new PhysicalMemory({ banks: [{ base: RAM_BASE, size: RAM_SIZE, node: 0 }] });
  const bus = new Bus(memory, null);
  const device = new Ipmmu({ config, mmu, memory: bus.port('ipmmu', BusView.NON_COHERENT) });
  const warnings: string[] = [];
  const messages: string[] = [];
  const machine = {
    memory,
    dma: new DmaApi(memory),
    pages: new BumpAllocator(memory, RAM_BASE, RAM_SIZE),
    warn: (code: string) => warnings.push(code),
  };
  const linux = (): LinuxIpmmuDriver => {
    const driver = new LinuxIpmmuDriver({
      port: device,
      generation: device.generation,
      leafBases: device.leaves.map((_, leaf) => IPMMU_LEAF_STRIDE * (leaf + 1)),
      machine,
      log: (message) => messages.push(message),
    });
    for (const unit of [driver.root, ...driver.leaves]) driver.probe(unit);
    return driver;
  };
  return { memory, bus, device, machine, linux, warnings, messages };
}
