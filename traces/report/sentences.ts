import { count, share } from '../quantity.ts';
import type { Report } from './report.ts';

/** What was replayed on what machine, what the CPU spent, what the device saw: one sentence each. */
export function sentences({ capture, breakdown, translation, config, software }: Report): string[] {
  const { iommu, preset, clockMHz, cpu } = config;
  const parts = (
    [
      ['allocation', software.cycles.allocation],
      ['edits', software.cycles.edit],
      ['cache maintenance', software.cycles.sync],
      ['invalidation', software.cycles.invalidation],
      ['addresses', software.cycles.iova],
    ] as [string, number][]
  ).sort((a, b) => b[1] - a[1]);
  const spent = ['map', 'unmap'].flatMap((kind) => {
    const group = breakdown.operations[kind];
    if (group === undefined) return [];
    const { mean, p50, p99 } = group;
    return [`${mean.toFixed(0)} cycles per ${kind} (p50 ${p50.toFixed(0)}, p99 ${p99.toFixed(0)})`];
  });
  const most = parts
    .slice(0, 2)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${share(value, software.cycles.total)} of it in ${name}`);
  const { microTlb, mainTlb, cycles: latency } = translation;
  const lookups = mainTlb.hits + mainTlb.misses;
  const second = lookups === 0 ? '' : ` and ${share(mainTlb.hits, lookups)} of the rest in the main TLB`;
  return [
    `${count(capture.maps)} maps and ${count(capture.unmaps)} unmaps were replayed on ${iommu.model} with the TLBs of ${preset}, at ${clockMHz} MHz, at the CPU prices of ${cpu}.`,
    spent.length === 0 ? 'The CPU spent nothing.' : `The CPU spent ${[...spent, ...most].join(', ')}.`,
    translation.requests === 0
      ? 'The device accessed nothing.'
      : `The device hit the micro-TLB in ${share(microTlb.hits, microTlb.hits + microTlb.misses)} of its ${count(translation.requests)} accesses${second}; a translation took ${latency.mean.toFixed(1)} cycles (p99 ${latency.p99}).`,
  ];
}
