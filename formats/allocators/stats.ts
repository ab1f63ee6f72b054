/** The counters every allocator layer keeps, in one shape, so that layers and whole stacks can be laid side by side. */

/** Plain-JSON form of {@link AllocatorStats}; all fields count since creation unless said otherwise. */
export interface AllocatorCounters {
  /** Tables handed to the layer above (or to the format). */
  readonly allocations: number;
  /** Tables taken back from the layer above. */
  readonly frees: number;
  /** Requests for memory sent to the layer below, single and bulk. In a stack's total: requests that reached the system. */
  readonly systemCalls: number;
  /** Those of `systemCalls` that asked for several tables at once. */
  readonly bulkCalls: number;
  /** Those of `systemCalls` that the bottom layer made while an operation ran. A VM_BIND run may make none. */
  readonly callsInRun: number;
  /** Allocations served without asking the layer below. */
  readonly hits: number;
  /** Tables out now, and the most there ever were. */
  readonly liveTables: number;
  readonly peakTables: number;
  /** Bytes out now, and the most there ever were. */
  readonly liveBytes: number;
  readonly peakBytes: number;
  /** Bytes kept for later: cached or reserved, not in a tree. */
  readonly heldBytes: number;
  /** The most of `liveBytes + heldBytes` there ever was: the memory this layer cost at its worst moment. */
  readonly peakFootprintBytes: number;
  /** Tables set aside for operations before they ran. */
  readonly reserved: number;
  /** Reserved tables that nothing needed and that went back: the over-reservation. */
  readonly returned: number;
  /** Bytes zeroed by this layer. */
  readonly zeroedBytes: number;
  /** Bytes taken beyond what was asked for, now, and the most there ever were. */
  readonly wastedBytes: number;
  readonly peakWastedBytes: number;
  /** Requests that were refused. */
  readonly failures: number;
  /** Modelled time spent in this layer alone, in cycles. */
  readonly cycles: number;
}

export class AllocatorStats implements AllocatorCounters {
  allocations = 0;
  frees = 0;
  systemCalls = 0;
  bulkCalls = 0;
  callsInRun = 0;
  hits = 0;
  liveTables = 0;
  peakTables = 0;
  liveBytes = 0;
  peakBytes = 0;
  heldBytes = 0;
  peakFootprintBytes = 0;
  reserved = 0;
  returned = 0;
  zeroedBytes = 0;
  wastedBytes = 0;
  peakWastedBytes = 0;
  failures = 0;
  cycles = 0;

  /** `tables` tables of `bytes` bytes in all went out. */
  gave(tables: number, bytes: number): void {
    this.allocations += tables;
    this.liveTables += tables;
    this.liveBytes += bytes;
    if (this.liveTables > this.peakTables) this.peakTables = this.liveTables;
    if (this.liveBytes > this.peakBytes) this.peakBytes = this.liveBytes;
    const footprint = this.liveBytes + this.heldBytes;
    if (footprint > this.peakFootprintBytes) this.peakFootprintBytes = footprint;
  }

  /** `tables` tables of `bytes` bytes in all came back. */
  took(tables: number, bytes: number): void {
    this.frees += tables;
    this.liveTables -= tables;
    this.liveBytes -= bytes;
  }

  /** The stock kept for later changed by `bytes` (negative when it shrank). */
  held(bytes: number): void {
    this.heldBytes += bytes;
    const footprint = this.liveBytes + this.heldBytes;
    if (footprint > this.peakFootprintBytes) this.peakFootprintBytes = footprint;
  }

  /** Bytes taken but of no use to anybody changed by `bytes`. */
  wasted(bytes: number): void {
    this.wastedBytes += bytes;
    if (this.wastedBytes > this.peakWastedBytes) this.peakWastedBytes = this.wastedBytes;
  }

  /** A copy as plain JSON. */
  snapshot(): AllocatorCounters {
    return { ...this };
  }
}
