import { PbfWriter } from 'pbf';
import { CAUSE_NAMES, OPERATION_KIND_NAMES, type Operation, type TranslationRequest } from '../../../emulator/index.ts';
import type { Replayer } from '../../replay/index.ts';
import { SERVED_NAMES, type Served } from '../../replay/index.ts';

/**
 * Field numbers of Perfetto's `protos/perfetto/trace`: `trace_packet.proto`, `track_event/track_event.proto`,
 * `track_event/track_descriptor.proto`, `track_event/debug_annotation.proto`.
 */
const TRACE_PACKET = 1;
const Packet = { TIMESTAMP: 8, SEQUENCE: 10, TRACK_EVENT: 11, TRACK_DESCRIPTOR: 60 } as const;
const Descriptor = { UUID: 1, NAME: 2, COUNTER: 8 } as const;
const Event = { ANNOTATION: 4, TYPE: 9, TRACK: 11, NAME: 23, COUNTER_VALUE: 30 } as const;
const Annotation = { UNSIGNED: 3, NAME: 10 } as const;
const Type = { BEGIN: 1, END: 2, INSTANT: 3, COUNTER: 4 } as const;

/** Bytes that are gathered before they are written. */
const CHUNK = 65_536;
/** The first numbers of tracks; CPUs and streams follow theirs. */
const Track = { TABLE_BYTES: 1, FINDINGS: 2, CPUS: 1000, STREAMS: 1_000_000 } as const;

/**
 * Writes a run as a Perfetto trace (TrackEvent packets) while it goes on, in constant memory: a track for each CPU with its maps, unmaps and
 * flushes, the waits for the device as slices inside them; a track for each device stream with its translations by what served them; a counter
 * of table memory; findings as instants. Times are nanoseconds of the machine's clock from the start of the run.
 *
 * A wait is drawn at the end of its operation: the ledger knows how long it was, not when. It draws no flows.
 */
export class PerfettoTrace {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #replayer: Replayer;
  readonly #nanoseconds: number;
  readonly #tracks = new Set<number>();
  #gathered = new PbfWriter();
  #tableBytes = -1;
  #findings = 0;

  /** @param write takes the trace piece by piece */
  constructor(replayer: Replayer, write: (bytes: Uint8Array) => void) {
    this.#replayer = replayer;
    this.#write = write;
    this.#nanoseconds = 1000 / replayer.config.clockMHz;
  }

  /** Takes an operation that is over. */
  operation(operation: Readonly<Operation>): void {
    const { kind, number, line, domain, cpu, iova, size, start, cycles, byCause } = operation;
    const track = Track.CPUS + 1 + cpu;
    this.#declare(track, cpu < 0 ? 'CPU' : `CPU ${cpu}`);
    const end = start + cycles;
    const details = { operation: number, line, domain: Math.max(domain, 0), iova, size };
    this.#event(Type.BEGIN, track, start, OPERATION_KIND_NAMES[kind] ?? '', details);
    const wait = byCause[CAUSE_NAMES.indexOf('wait')] as number;
    if (wait > 0) {
      this.#event(Type.BEGIN, track, end - wait, 'wait for completion');
      this.#event(Type.END, track, end);
    }
    this.#event(Type.END, track, end);
    const { tables, sanitizer } = this.#replayer.machine;
    const bytes = tables.layers[0]?.stats.liveBytes ?? 0;
    if (bytes !== this.#tableBytes) {
      this.#tableBytes = bytes;
      this.#declare(Track.TABLE_BYTES, 'table memory, bytes', true);
      this.#event(Type.COUNTER, Track.TABLE_BYTES, end, '', {}, bytes);
    }
    for (; this.#findings < sanitizer.findings.length; this.#findings++) {
      const finding = sanitizer.findings[this.#findings];
      if (finding === undefined) continue;
      this.#declare(Track.FINDINGS, 'findings');
      this.#event(Type.INSTANT, Track.FINDINGS, end, finding.kind, {
        operation: finding.operation,
        iova: finding.iova,
      });
    }
  }

  /** Takes an access that is over. */
  access({ start, iova, latency }: TranslationRequest, served: Served, stream: number): void {
    const track = Track.STREAMS + stream;
    this.#declare(track, `stream ${stream}`);
    this.#event(Type.BEGIN, track, start, SERVED_NAMES[served], { iova });
    this.#event(Type.END, track, start + latency);
  }

  #declare(track: number, name: string, isCounter = false): void {
    if (this.#tracks.has(track)) return;
    this.#tracks.add(track);
    this.#packet((packet) => {
      packet.writeMessage(
        Packet.TRACK_DESCRIPTOR,
        (_none, descriptor) => {
          descriptor.writeVarintField(Descriptor.UUID, track);
          descriptor.writeStringField(Descriptor.NAME, name);
          if (isCounter) descriptor.writeBytesField(Descriptor.COUNTER, new Uint8Array());
        },
        null,
      );
    });
  }

  #event(
    type: number,
    track: number,
    cycle: number,
    name = '',
    details: Readonly<Record<string, number>> = {},
    value = -1,
  ): void {
    this.#packet((packet) => {
      packet.writeVarintField(Packet.TIMESTAMP, Math.round(Math.max(0, cycle) * this.#nanoseconds));
      packet.writeMessage(
        Packet.TRACK_EVENT,
        (_none, event) => {
          event.writeVarintField(Event.TYPE, type);
          event.writeVarintField(Event.TRACK, track);
          if (name !== '') event.writeStringField(Event.NAME, name);
          if (value >= 0) event.writeVarintField(Event.COUNTER_VALUE, value);
          for (const [key, number] of Object.entries(details)) {
            event.writeMessage(
              Event.ANNOTATION,
              (_nothing, annotation) => {
                annotation.writeStringField(Annotation.NAME, key);
                annotation.writeVarintField(Annotation.UNSIGNED, number);
              },
              null,
            );
          }
        },
        null,
      );
    });
  }

  /** Hands out what is still gathered; the trace is whole then. */
  end(): void {
    const bytes = this.#gathered.finish();
    this.#gathered = new PbfWriter();
    if (bytes.length > 0) this.#write(bytes);
  }

  #packet(fill: (packet: PbfWriter) => void): void {
    this.#gathered.writeMessage(
      TRACE_PACKET,
      (_none, packet) => {
        packet.writeVarintField(Packet.SEQUENCE, 1);
        fill(packet);
      },
      null,
    );
    if (this.#gathered.pos >= CHUNK) this.end();
  }
}
