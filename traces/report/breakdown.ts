import {
  CAUSE_NAMES,
  type CostAccount,
  OPERATION_KIND_NAMES,
  OperationKind,
  type SmallHistogram,
  sizeOfClass,
} from '../../emulator/index.ts';
import { exact } from '../quantity.ts';
import type { AccessAccount, Replayer } from '../replay/index.ts';
import type { AccessGroup, BreakdownSection, CpuGroup, Spread } from './report.ts';

/** The ledger and the device's meter, told apart by operation, domain, size and stream. */
export function breakdownSection(replayer: Replayer, deviceName: (device: number) => string): BreakdownSection {
  const { machine, device, domains, tracker } = replayer;
  const { costs } = machine;
  return {
    operations: Object.fromEntries(
      costs.kinds.flatMap((account, kind) =>
        account.count === 0 ? [] : [[OPERATION_KIND_NAMES[kind] ?? '', cpuGroup(account)]],
      ),
    ),
    domains: domains.all.flatMap((one, number) => {
      if (one === undefined) return [];
      const info = tracker.domains[number];
      return [
        {
          domain: number,
          origin: info?.origin ?? 'inferred',
          devices: (info?.devices ?? []).map(deviceName),
          streams: [...one.streams],
          cpu: cpuGroup(costs.domains[number]),
          accesses: accessGroup(device.meter.domains[number]),
        },
      ];
    }),
    sizes: ([OperationKind.MAP, OperationKind.UNMAP] as const).flatMap((kind) =>
      (costs.sizes[kind] ?? []).flatMap((account, sizeClass) =>
        account === undefined
          ? []
          : [
              {
                operation: kind === OperationKind.MAP ? ('map' as const) : ('unmap' as const),
                from: sizeOfClass(sizeClass),
                cpu: cpuGroup(account),
              },
            ],
      ),
    ),
    streams: [...device.meter.streams]
      .map(([stream, account]) => ({ stream, accesses: accessGroup(account) }))
      .sort((a, b) => a.stream - b.stream),
  };
}

function cpuGroup(account: CostAccount | undefined): CpuGroup {
  if (account === undefined) return { ...NOTHING, bytes: 0, byCause: {} };
  return {
    ...spread(account.histogram),
    bytes: account.bytes,
    byCause: Object.fromEntries(
      CAUSE_NAMES.flatMap((name, cause) => {
        const cycles = account.byCause[cause] as number;
        return cycles > 0 ? [[name, exact(cycles)]] : [];
      }),
    ),
  };
}

function accessGroup(account: AccessAccount | undefined): AccessGroup {
  return account === undefined ? { ...NOTHING, faults: 0 } : { ...spread(account.latency), faults: account.faults };
}

const NOTHING: Spread = { count: 0, total: 0, mean: 0, p50: 0, p99: 0, max: 0 };

export function spread(histogram: SmallHistogram): Spread {
  const { count, total, mean, max } = histogram;
  return {
    count,
    total: exact(total),
    mean: exact(mean, 3),
    p50: exact(histogram.percentile(0.5), 3),
    p99: exact(histogram.percentile(0.99), 3),
    max: exact(max),
  };
}
