/** Writing a conformance case: what our software does with some calls, in the schema of the vectors. */
import {
  allocIoPgtable,
  checkIoPgtableConfig,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  newGather,
} from '../../../formats/index.ts';
import { isUpperHalf, outcomeOf, type WholeAddress, wholeAddress } from '../../../traces/conformance/tables/outcome.ts';
import { IOVA_EVENTS, type RecordedEvent, RecordingMachine } from '../../../traces/conformance/tables/recorder.ts';
import type { Vector, VectorEvent, VectorOp } from '../../../traces/conformance/tables/vector.ts';
import { hexText } from '../../../traces/quantity.ts';

/** One call, as plain data. Addresses are those of the table: an upper half's are without the bits above the input size. */
export type CaseCall =
  | {
      readonly op: 'map';
      readonly iova: number;
      readonly pa: number;
      readonly pageSize: number;
      readonly count: number;
      readonly prot: number;
    }
  | {
      readonly op: 'unmap';
      readonly iova: number;
      readonly pageSize: number;
      readonly count: number;
      readonly gather: 'normal' | 'null' | 'queued';
    }
  | { readonly op: 'iova_to_phys'; readonly iova: number };

/** First physical address that the tables of a written case take. */
const PHYS_BASE = 0x8000_0000;

/**
 * Runs `calls` on a fresh table, and writes down everything that happens as a case. Warnings carry our codes where the real
 * code's vectors have its texts; the two correspond one to one.
 * @throws ConfigError when the configuration is refused.
 */
export function writeCase(name: string, note: string, asked: IoPgtableConfig, calls: readonly CaseCall[]): Vector {
  const machine = new RecordingMachine(PHYS_BASE);
  const { config } = checkIoPgtableConfig(asked);
  const whole = wholeAddress(isUpperHalf(config.format, config.quirks), config.ias);
  const hooked = asked.allocator?.alloc !== undefined;
  const allocator = hooked ? machine.hooks : null;
  const table = allocIoPgtable({ ...asked, allocator, tlb: asked.tlb === undefined ? null : machine }, machine, null);
  const alloc = {
    ev: writeEvents(machine.events, whole),
    ok: true,
    live: machine.live,
    out: outcomeOf(config, table) as Vector['alloc']['out'],
  };
  const ops = calls.map((call) => writeCall(call, table, machine, whole));
  ops.push(dump(table, machine));
  machine.begin(undefined);
  table.free();
  return {
    name,
    kernel: config.linux,
    note,
    cfg: {
      fmt: asked.format,
      pgsize_bitmap: hexText(asked.pageSizes),
      ias: asked.ias,
      oas: asked.oas,
      quirks: hexText(config.quirks),
      coherent_walk: config.coherentWalk ? 1 : 0,
      custom_alloc: hooked ? 3 : 0,
      tlb: asked.tlb === undefined ? 0 : 1,
      phys_base: hexText(PHYS_BASE),
    },
    alloc,
    ops,
    free: { ev: writeEvents(machine.events, whole), live: machine.live },
  };
}

function writeCall(call: CaseCall, table: IoPgtable, machine: RecordingMachine, whole: WholeAddress): VectorOp {
  machine.begin(undefined);
  const iova = hexText(whole(call.iova));
  if (call.op === 'iova_to_phys') return { op: call.op, iova, phys: hexText(table.iovaToPhys(call.iova)) };
  const sizes = { pgsize: hexText(call.pageSize), pgcount: hexText(call.count) };
  if (call.op === 'map') {
    const { pa, pageSize, count, prot } = call;
    const ret = table.mapPages(call.iova, pa, pageSize, count, prot, Gfp.KERNEL);
    const mapped = hexText(table.mapped);
    return {
      op: 'map',
      iova,
      paddr: hexText(pa),
      ...sizes,
      prot,
      gfp: 'K',
      ev: writeEvents(machine.events, whole),
      ret,
      mapped,
    };
  }
  const gather = call.gather === 'null' ? null : newGather(call.gather === 'queued');
  const unmapped = hexText(table.unmapPages(call.iova, call.pageSize, call.count, gather));
  return { op: 'unmap', iova, ...sizes, gather: call.gather, ev: writeEvents(machine.events, whole), unmapped };
}

/** The tables as they are, entry by entry. */
function dump(table: IoPgtable, machine: RecordingMachine): VectorOp {
  const tables: Extract<VectorOp, { op: 'dump' }>['tables'] = [];
  const short = table.config.format === 'ARM_V7S';
  table.visitTables((pa, level, size) => {
    const ents: [number, string][] = [];
    for (let offset = 0; offset < size; offset += short ? 4 : 8) {
      const at = machine.memory.index(pa + offset);
      const low = BigInt(machine.memory.words[at] ?? 0);
      const high = short ? 0n : BigInt(machine.memory.words[at + 1] ?? 0);
      const descriptor = (high << 32n) | low;
      if (descriptor !== 0n) ents.push([offset / (short ? 4 : 8), hexText(descriptor)]);
    }
    tables.push({ phys: hexText(pa), level, size: hexText(size), ents });
  });
  return { op: 'dump', tables };
}

function writeEvents(events: readonly RecordedEvent[], whole: WholeAddress): VectorEvent[] {
  return events.map(({ kind, values }) => [
    kind,
    ...values.map((value, i) => {
      if (typeof value === 'string') return value;
      return hexText(IOVA_EVENTS.has(kind) && i === 0 ? whole(value) : value);
    }),
  ]);
}
