import { Machine } from '../../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../../emulator/index.ts';
import { newGather, Prot } from '../../../formats/index.ts';
import { runConfig } from '../../../traces/index.ts';

// A whole machine with an SMMUv3 and the driver of Linux 7.3: what it does goes over registers and queues.
const machine = new Machine(runConfig({ iommu: { model: 'smmuv3', driver: 'arm-smmu-v3-7.3' } }));
const { device, driver, clock } = machine;
const domain = machine.createDomain();
if (domain === null) throw new Error('no memory for a table');
driver.attach(domain, 0x10);
driver.map(domain, 0x1000_0000, 0x9000_0000, 2 ** 16, Prot.READ | Prot.WRITE);

const request = new TranslationRequest();
const touch = (): void => {
  const done = device.translate(request.ask(0, 0x10, -1, 0x1000_0000, AccessFlag.READ, clock.cycles));
  clock.cycles = request.completion;
  console.log(done ? `0x${request.pa.toString(16)} after ${request.latency} cycles` : 'a fault');
};
touch();
touch();
const gather = newGather();
driver.unmap(domain, 0x1000_0000, 2 ** 16, gather);
driver.iotlbSync(domain, gather);
touch();
driver.handleEvents();
const { commandsByName, events } = driver.counters();
console.log(`${commandsByName['TLBI_NH_VA']} TLBI_NH_VA, ${commandsByName['SYNC']} CMD_SYNC, ${events} event`);
