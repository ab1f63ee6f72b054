import {
  AccessFlag,
  Bus,
  BusView,
  FAULT_NAMES,
  FixedContexts,
  lpaeRoot,
  lpaeStage1,
  Mmu,
  PhysicalMemory,
  parseMmuConfig,
  TranslationRequest,
} from '../../../emulator/index.ts';

// A first-level table for 39 bits at 0x8000_0000, whose entry 1 is a block of 1 GiB: AF, unprivileged, read and write.
const memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 2 ** 20, node: 0 }] });
const entry = memory.index(0x8000_0008);
memory.words[entry] = 0xc000_0000 | 0x400 | 0x40 | 1;

const stage1 = lpaeStage1({ root0: lpaeRoot(0x8000_0000, 12, 39), outputBits: 48, memoryAttributes: [0xff] });
const contexts = new FixedContexts();
contexts.set(1, { stage1, stage2: null, asid: 1, vmid: 0 });
const mmu = new Mmu(parseMmuConfig({}), new Bus(memory, null).port('walker', BusView.COHERENT), contexts);

const request = new TranslationRequest();
for (const iova of [0x4000_1000, 0x4000_2000, 0x8000_0000]) {
  const done = mmu.translate(request.ask(0, 1, -1, iova, AccessFlag.READ, request.completion));
  const answer = done ? `0x${request.pa.toString(16)}` : FAULT_NAMES[request.fault];
  console.log(`0x${iova.toString(16)}: ${answer}, ${request.descriptorReads} reads, ${request.latency} cycles`);
}
