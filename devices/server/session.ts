import { FaultKind, TranslationRequest } from '../../emulator/index.ts';
import { hexText, TWO_32 } from '../../formats/index.ts';
import type { DeviceMemory, LoneDevice } from '../lone-device.ts';
import type { MachineConfig } from '../machine/index.ts';
import { MMUS } from '../mmus.ts';
import {
  FRAME_BYTES,
  KEEP_CLOCK,
  NO_CONFIGURATION,
  NO_SUBSTREAM,
  Operation,
  PROTOCOL_VERSION,
  packDetail,
  Status,
  Text,
  TRANSLATION_FLAGS,
} from './protocol.ts';
import { StaleCheck } from './stale-check.ts';

/** Most cycles that one request lets go by: about an hour at 1 GHz. */
const MOST_CYCLES = 2 ** 42;
const MOST_ADDRESS = 2 ** 52;
const PAGE = 4096;
const NO_TEXT = new Uint8Array(0);

export interface ServerParts {
  /** Which MMU, and what it is like; what it says of software, memory and CPU means nothing here. */
  readonly config: MachineConfig;
  readonly memory: DeviceMemory;
  /** Translations that a TLB served are checked against the tables. */
  readonly check: boolean;
}

/**
 * A device with its protocol, without a way for the bytes: {@link receive} takes what a client sent and gives back what it is to get.
 * Everything happens while a request is served, one after the other, so that the same requests on the same RAM give the same bytes.
 */
export class DeviceServer {
  readonly name: string;
  /** Requests served, those that were wrong among them. */
  requests = 0;
  refused = 0;
  readonly #parts: ServerParts;
  readonly #request = new TranslationRequest();
  readonly #halves = new Uint32Array(2);
  #lone: LoneDevice;
  #check: StaleCheck;
  /** Edges that no client has acknowledged. */
  #edges = 0;
  /** The beginning of a request whose rest has not come yet. */
  readonly #partial = new Uint8Array(FRAME_BYTES);
  #partialBytes = 0;
  // What the response under way says.
  #status: Status = Status.OK;
  #low = 0;
  #high = 0;
  #cycles = 0;
  #detail = 0;
  #text = '';

  /** @throws ConfigError */
  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.name = parts.config.iommu.model;
    this.#lone = this.#newDevice();
    this.#check = new StaleCheck(this.#lone.device, parts.memory);
  }

  /** Findings of the sanitizer. */
  get findings(): number {
    return this.#check.count;
  }

  /** A client has come: what the last one left of a request is forgotten. The device stays as it is. */
  connected(): void {
    this.#partialBytes = 0;
  }

  /** Serves what is whole of the bytes that came, and keeps the rest. @returns the responses, in order */
  receive(bytes: Uint8Array): Uint8Array {
    const responses: Uint8Array[] = [];
    let at = 0;
    while (this.#partialBytes + bytes.length - at >= FRAME_BYTES) {
      if (this.#partialBytes === 0) {
        responses.push(this.#serve(new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_BYTES)));
        at += FRAME_BYTES;
        continue;
      }
      const missing = FRAME_BYTES - this.#partialBytes;
      this.#partial.set(bytes.subarray(at, at + missing), this.#partialBytes);
      this.#partialBytes = 0;
      at += missing;
      responses.push(this.#serve(new DataView(this.#partial.buffer)));
    }
    this.#partial.set(bytes.subarray(at), this.#partialBytes);
    this.#partialBytes += bytes.length - at;
    return responses.length === 1 ? (responses[0] as Uint8Array) : joined(responses);
  }

  #newDevice(): LoneDevice {
    const { config, memory } = this.#parts;
    this.#edges = 0;
    const edge = (line: number): void => {
      this.#edges = (this.#edges | (1 << line)) >>> 0;
    };
    const coherent = config.table.walk === 'coherent';
    return MMUS[config.iommu.model].alone({ config, coherent, mmu: config.mmu, memory, edge });
  }

  #serve(frame: DataView): Uint8Array {
    this.requests++;
    this.#low = 0;
    this.#high = 0;
    this.#cycles = 0;
    this.#detail = 0;
    this.#text = '';
    const operation = frame.getUint8(0);
    const before = this.#lone.device.now;
    this.#status = this.#perform(operation, frame);
    if (this.#status >= Status.BAD_OPERATION) this.refused++;
    else if (operation !== Operation.TRANSLATE) this.#cycles = Math.ceil(this.#lone.device.now - before);
    const text = this.#text === '' ? NO_TEXT : new TextEncoder().encode(this.#text);
    const response = new Uint8Array(FRAME_BYTES + text.length);
    const view = new DataView(response.buffer);
    view.setUint8(0, operation);
    view.setUint8(1, this.#status);
    view.setUint16(2, frame.getUint16(2, true), true);
    view.setUint32(4, this.#interrupts, true);
    view.setUint32(8, text.length > 0 ? text.length : this.#low, true);
    view.setUint32(12, this.#high, true);
    const now = Math.ceil(this.#lone.device.now);
    view.setUint32(16, now, true);
    view.setUint32(20, Math.floor(now / TWO_32), true);
    view.setUint32(24, Math.min(this.#cycles, TWO_32 - 1), true);
    view.setUint32(28, this.#detail, true);
    response.set(text, FRAME_BYTES);
    return response;
  }

  get #interrupts(): number {
    return (this.#edges | this.#lone.levels()) >>> 0;
  }

  #perform(operation: number, frame: DataView): Status {
    const { device } = this.#lone;
    const value = frame.getUint32(24, true) + frame.getUint32(28, true) * TWO_32;
    switch (operation) {
      case Operation.HELLO:
        if (value !== PROTOCOL_VERSION) return Status.BAD_VALUE;
        this.#low = PROTOCOL_VERSION;
        this.#detail = this.#lone.registerBytes;
        return Status.OK;
      case Operation.READ32:
      case Operation.READ64:
      case Operation.WRITE32:
      case Operation.WRITE64:
        return this.#register(operation, frame);
      case Operation.TRANSLATE:
        return this.#translate(frame);
      case Operation.TIME:
        if (!(value <= MOST_CYCLES) || device.now + value > Number.MAX_SAFE_INTEGER) return Status.BAD_VALUE;
        device.now += value;
        return Status.OK;
      case Operation.INTERRUPTS:
        this.#low = this.#interrupts;
        this.#edges = (this.#edges & ~frame.getUint32(24, true)) >>> 0;
        return Status.OK;
      case Operation.TEXT:
        return this.#giveText(frame);
      case Operation.RESET: {
        const { now } = device;
        this.#lone = this.#newDevice();
        this.#lone.device.now = now;
        this.#check = new StaleCheck(this.#lone.device, this.#parts.memory);
        return Status.OK;
      }
      default:
        return Status.BAD_OPERATION;
    }
  }

  #register(operation: number, frame: DataView): Status {
    const { device, registerBytes } = this.#lone;
    const wide = operation === Operation.READ64 || operation === Operation.WRITE64;
    const offset = frame.getUint32(16, true);
    const outside = frame.getUint32(20, true) !== 0 || offset >= registerBytes;
    if (outside || offset % (wide ? 8 : 4) !== 0) return Status.BAD_ADDRESS;
    if (operation === Operation.READ32) this.#low = device.read32(offset);
    else if (operation === Operation.READ64) {
      device.read64(offset, this.#halves);
      this.#low = this.#halves[0] as number;
      this.#high = this.#halves[1] as number;
    } else if (operation === Operation.WRITE32) device.write32(offset, frame.getUint32(24, true));
    else device.write64(offset, frame.getUint32(24, true), frame.getUint32(28, true));
    return Status.OK;
  }

  #translate(frame: DataView): Status {
    const { device, streams } = this.#lone;
    const flags = frame.getUint8(1);
    const streamId = frame.getUint32(4, true);
    const substream = frame.getUint32(8, true);
    const size = frame.getUint32(12, true);
    const iova = frame.getUint32(16, true) + frame.getUint32(20, true) * TWO_32;
    if ((flags & ~TRANSLATION_FLAGS) !== 0) return Status.BAD_FLAGS;
    if (streamId >= streams || (substream !== NO_SUBSTREAM && substream >= 2 ** 20)) {
      return Status.BAD_STREAM;
    }
    if (iova >= MOST_ADDRESS) return Status.BAD_ADDRESS;
    if (size === 0 || (iova % PAGE) + size > PAGE) return Status.BAD_SIZE;
    const request = this.#request;
    const substreamId = substream === NO_SUBSTREAM ? -1 : substream;
    const master = streamId % device.mmu.config.masters;
    const start = device.now;
    request.ask(master, streamId, substreamId, iova, flags & ~KEEP_CLOCK, start, size);
    const translated = device.translate(request);
    if (translated && this.#parts.check) this.#check.check(request);
    this.#cycles = Math.ceil(request.completion - start);
    if ((flags & KEEP_CLOCK) === 0) device.now = Math.max(device.now, request.completion);
    const { contextFault, faultStage, faultLevel, outcome, hit, permissions } = request;
    this.#detail = packDetail({
      fault: contextFault === 0 ? request.fault : NO_CONFIGURATION,
      stage: request.fault === FaultKind.NONE ? 0 : faultStage,
      level: request.fault === FaultKind.NONE ? 0 : faultLevel,
      outcome,
      hit,
      permissions: translated ? permissions : 0,
    });
    if (!translated) return Status.FAULT;
    this.#low = request.pa % TWO_32;
    this.#high = Math.floor(request.pa / TWO_32);
    return Status.OK;
  }

  #giveText(frame: DataView): Status {
    const { device, lines } = this.#lone;
    const which = frame.getUint32(16, true);
    if (frame.getUint32(20, true) !== 0) return Status.BAD_ADDRESS;
    switch (which) {
      case Text.NAME:
        this.#text = this.name;
        return Status.OK;
      case Text.INTERRUPTS:
        this.#text = lines.join('\n');
        return Status.OK;
      case Text.COUNTERS:
        this.#text = JSON.stringify({ mmu: device.mmu.counters(), requests: this.requests, findings: this.findings });
        return Status.OK;
      case Text.FINDING: {
        const finding = this.#check.findings[frame.getUint32(12, true)];
        if (finding === undefined) return Status.OK;
        const { kind, cycle, streamId, iova, detail } = finding;
        this.#text = `${kind}: cycle ${cycle}, stream ${streamId}, iova ${hexText(iova)}: ${detail}`;
        return Status.OK;
      }
      default:
        return Status.BAD_ADDRESS;
    }
  }
}

/** What a second client gets before its connection ends. */
export function busyResponse(): Uint8Array {
  const response = new Uint8Array(FRAME_BYTES);
  response[1] = Status.BUSY;
  return response;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
