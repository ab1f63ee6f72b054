/** What a recording on a machine has to hold, and the settings of a shell script that makes one. */
export { type RecordingOptions, recordingSettings } from './settings.ts';
export { DMA_EVENTS, IOMMU_EVENTS, PROBES, type Probe, type ProbeWay, RECORDING_GROUP } from './wanted.ts';
