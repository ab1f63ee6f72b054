import { DMA_EVENTS, IOMMU_EVENTS, PROBES, RECORDING_GROUP } from './wanted.ts';

export interface RecordingOptions {
  /** Kprobes that name the domain and the protection of each map. */
  readonly kprobes: boolean;
  /** Events of the DMA API, which name the device. */
  readonly dma: boolean;
  /** Whole seconds to record; 0 for until it is interrupted. */
  readonly duration: number;
}

/**
 * The head of a recording script: what is recorded, as shell variables and one function. `probes` prints the kprobes, one way to define an
 * event per line: event, what that way takes from the kernel, definitions, with tabs in between.
 */
export function recordingSettings({ kprobes, dma, duration }: RecordingOptions): string {
  const probes = kprobes ? PROBES : [];
  const ways = probes.flatMap(({ event, ways }) =>
    ways.map(({ about, definitions }) => [event, about, ...definitions].join('\t')),
  );
  return `NAME=${RECORDING_GROUP}
DURATION=${duration}
KPROBES='${probes.map(({ event }) => event).join(' ')}'
IOMMU_EVENTS='${IOMMU_EVENTS.join(' ')}'
DMA_EVENTS='${dma ? DMA_EVENTS.join(' ') : ''}'
probes() {
  cat <<'END'
${ways.map((line) => `${line}\n`).join('')}END
}
`;
}
