import * as v from 'valibot';
import {
  IDR0,
  IDR1,
  IDR3,
  IDR5,
  QUEUE_BASE,
  REGISTERS,
  type RegisterName,
  type SmmuPort,
  type Smmuv3Domain,
  Smmuv3Driver,
} from '../../../../devices/index.ts';
import { encodeInto, getField, OUTPUT_SIZES, type TableMemory } from '../../../../formats/index.ts';
import { hexNumber, integer, linuxKernel } from '../fields.ts';
import { defineRunner } from '../runner.ts';
import { TableMachine } from '../table-machine.ts';
import { hex64 } from '../value.ts';

const BASE = 0x4000_0000;
const COMMAND_BYTES = 16;
/** MMU-700 r0p0, whose batches end in forced CMD_SYNCs. */
const MMU_700 = 0x4870_043b;

const command = v.looseTuple([v.string(), v.string(), v.string()]);

const RangeSchema = v.object({
  id: integer,
  kernel: linuxKernel,
  profile: v.string(),
  ril: v.boolean(),
  stage: v.picklist([1, 2]),
  asid: v.optional(integer),
  vmid: v.optional(integer),
  e2h: v.boolean(),
  tg: v.picklist([12, 14, 16]),
  start: hexNumber,
  size: hexNumber,
  granule: hexNumber,
  leaf: v.boolean(),
  batches: v.array(v.array(command)),
});
type RangeCase = v.InferOutput<typeof RangeSchema>;

/** One range invalidation of a domain, and the batches of commands it becomes. */
export const TLBI_RANGE = defineRunner({
  name: 'arm-smmu-v3/tlbi_range',
  recognises: (line) => 'tg' in line && 'batches' in line,
  schema: RangeSchema,
  perform: (one, check) => {
    const machine = new TableMachine(BASE, () => {});
    const port = new CapturingPort(one, machine.memory);
    const driver = new Smmuv3Driver({
      port,
      machine,
      config: {
        kernel: one.kernel,
        kernelAtEl2: one.e2h,
        virtualAddressBits: 48,
        // The addresses of MSIs depend on what was sent before.
        wait: 'sev',
        commandQueueBits: 8,
      },
    });
    const domain = driver.createDomain();
    check.equal('tag', one.asid ?? one.vmid, domain.tag);
    driver.attach(domain, 0);
    port.batches.length = 0;
    const { start, size, granule, leaf } = one;
    check.operation(`range of ${size} bytes`, [], () => invalidate(driver, domain, start, size, granule, leaf));
    check.equal('batches', one.batches.map(expanded).map(String), port.batches.map(String));
  },
});

function invalidate(
  driver: Smmuv3Driver,
  domain: Smmuv3Domain,
  start: number,
  size: number,
  granule: number,
  leaf: boolean,
): void {
  if (!leaf) driver.invalidator.flushWalk(start, size, granule, domain);
  else driver.iotlbSync(domain, { start, end: start + size - 1, pageSize: granule, queued: false });
}

/** The commands of a batch one by one. */
function expanded(batch: RangeCase['batches'][number]): string[] {
  return batch.flatMap(([name, first, second, count = 1, stride = '0x0']) => {
    if (name === 'CMD_SYNC') return ['CMD_SYNC'];
    const from = BigInt(second);
    return Array.from(
      { length: Number(count) },
      (_, i) => `${first} 0x${BigInt.asUintN(64, from + BigInt(i) * BigInt(String(stride))).toString(16)}`,
    );
  });
}

/** An SMMU that does whatever it is told at once, and keeps the batches. */
class CapturingPort implements SmmuPort {
  readonly batches: string[][] = [];
  readonly time = 0;
  onGlobalError: (() => void) | null = null;
  readonly #values = new Map<number, number>();
  readonly #memory: TableMemory;
  #queue = 0;
  #mask = 0;
  #prod = 0;

  constructor({ stage, ril, e2h, tg, profile }: RangeCase, memory: TableMemory) {
    this.#memory = memory;
    const set = <Name extends RegisterName>(name: Name, value: number): unknown =>
      this.#values.set(REGISTERS[name].offset, value);
    const words = new Uint32Array(1);
    encodeInto(IDR0, words.fill(0), 0, {
      S1P: Number(stage === 1),
      S2P: Number(stage === 2),
      TTF: 2,
      TTENDIAN: 2,
      HYP: Number(e2h),
      SEV: 1,
      COHACC: 1,
      ASID16: 1,
      VMID16: 1,
    });
    set('IDR0', words[0] as number);
    encodeInto(IDR1, words.fill(0), 0, { SIDSIZE: 4, CMDQS: 8, EVENTQS: 8 });
    set('IDR1', words[0] as number);
    encodeInto(IDR3, words.fill(0), 0, { RIL: Number(ril) });
    set('IDR3', words[0] as number);
    const OAS = OUTPUT_SIZES.indexOf(profile.includes('oas52') ? 52 : 48);
    encodeInto(IDR5, words.fill(0), 0, {
      OAS,
      GRAN4K: Number(tg === 12),
      GRAN16K: Number(tg === 14),
      GRAN64K: Number(tg === 16),
    });
    set('IDR5', words[0] as number);
    if (profile === 'mmu700') set('IIDR', MMU_700);
  }

  read32(offset: number): number {
    if (offset === REGISTERS.CMDQ_CONS.offset) return this.#prod;
    if (offset === REGISTERS.CR0ACK.offset) return this.#values.get(REGISTERS.CR0.offset) ?? 0;
    if (offset === REGISTERS.IRQ_CTRLACK.offset) return this.#values.get(REGISTERS.IRQ_CTRL.offset) ?? 0;
    return this.#values.get(offset) ?? 0;
  }

  read64(_offset: number, halves: Uint32Array): void {
    halves.fill(0, 0, 2);
  }

  write32(offset: number, value: number): void {
    this.#values.set(offset, value);
    if (offset !== REGISTERS.CMDQ_PROD.offset) return;
    const batch: string[] = [];
    for (; this.#prod !== value; this.#prod = (this.#prod + 1) & (2 * this.#mask + 1)) {
      const at = this.#memory.index(this.#queue + COMMAND_BYTES * (this.#prod & this.#mask));
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.#memory.words.subarray(at, at + 4);
      batch.push((w0 & 0xff) === 0x46 ? 'CMD_SYNC' : `${hex64(w0, w1)} ${hex64(w2, w3)}`);
    }
    this.batches.push(batch);
  }

  write64(offset: number, low: number, high: number): void {
    if (offset !== REGISTERS.CMDQ_BASE.offset) return;
    const words = Uint32Array.of(low, high);
    this.#queue = getField(words, 0, QUEUE_BASE.ADDR);
    this.#mask = 2 ** getField(words, 0, QUEUE_BASE.LOG2SIZE) - 1;
  }

  load32(): number {
    return 0;
  }

  // It is never slow.
  waitForEvent(): void {}
  relax(): void {}
  delay(): void {}
  sleep(): void {}
}
