import { Bus, BusView } from '../../emulator/index.ts';
import { forEachLeafRecord, type LeafRecord, type LeafScan, newLeafScan } from '../image/index.ts';
import type { Replayer } from './replayer.ts';

/**
 * Gives every leaf of every stream to `each`, by rising StreamID, then by address: found as the SMMU finds them, from the stream table
 * through context descriptors and tables, in the memory that a device sees. Streams of one domain share its table, so its leaves
 * come once for each, marked where the domain is inferred. A table that no device uses any more is left out.
 */
export function forEachStreamLeaf(replayer: Replayer, each: (leaf: LeafRecord) => void): LeafScan {
  const { memory, device } = replayer.machine;
  // A port of its own: the SMMU's is watched and counted. What a device sees is what memory holds, as the CPU's view is in coherent machines.
  const port = new Bus(memory, null).port('leaves', BusView.NON_COHERENT);
  const scan = newLeafScan();
  const users = replayer.domains.all
    .flatMap((one, number) => {
      if (one === undefined || one.abandoned) return [];
      const inferred = replayer.tracker.domains[number]?.origin === 'inferred';
      return one.streams.map((sid) => ({ sid, inferred }));
    })
    .sort((a, b) => a.sid - b.sid);
  for (const { sid, inferred } of users) {
    const regime = device.regimeOf(sid);
    const mark: (leaf: LeafRecord) => void = inferred ? (leaf) => each({ ...leaf, inferred }) : each;
    if (regime !== null) forEachLeafRecord(port, { sid, ssid: -1, regime }, scan, mark);
  }
  return scan;
}
