/** What the worker tells the page: plain data, and all of it. */
import type { CacheContents, Finding } from '../../../emulator/index.ts';
import type { AddressSplit, DrawnTable, ExplainedStructure, TranslationStory } from '../../../traces/browser.ts';
import type { SettingChoice, Settings } from './settings.ts';

/** A line that was done, and what came of it. */
export interface DoneLine {
  readonly line: string;
  /** One sentence: what it came to. */
  readonly text: string;
  /** It was refused, faulted, or found something. */
  readonly bad: boolean;
  /** Cycle at which it began, and how long it took: of the CPU, or of the device. */
  readonly start: number;
  readonly cycles: number;
  readonly by: 'CPU' | 'device' | 'nobody';
  /** Where the time went. */
  readonly parts: readonly (readonly [name: string, cycles: number])[];
  /** Commands or register writes of it, by name. */
  readonly commands: readonly (readonly [name: string, count: number])[];
}

/** The tables of one stage of an address space. */
export interface TreeView {
  readonly stage: 1 | 2;
  /** Those that are shown, parents first. */
  readonly tables: readonly DrawnTable[];
  /** All there are, and what they hold. */
  readonly tableCount: number;
  readonly tableBytes: number;
  readonly mappedBytes: number;
  readonly leaves: Readonly<Record<string, number>>;
  readonly entryBytes: number;
  readonly lastLevel: number;
}

export interface SpaceView {
  readonly number: number;
  readonly title: string;
  readonly asid: number;
  readonly vmid: number;
  readonly trees: readonly TreeView[];
  /** Descriptors that a walk of the address meets: where each is, as its stage sees it, and its entry. */
  readonly way: readonly { readonly stage: 1 | 2; readonly address: number; readonly index: number }[];
}

export interface CacheView extends CacheContents {
  /** Sets in which a lookup of the address looks. */
  readonly probed: readonly number[];
}

/** A walk: of the last access, or one that is only looked at. */
export interface WalkView {
  readonly source: 'access' | 'look';
  /** Of an access, its line; else empty. */
  readonly line: string;
  readonly story: TranslationStory;
  /** Each of its events in words. */
  readonly texts: readonly string[];
}

export interface FindingView {
  readonly kind: Finding['kind'];
  readonly meaning: string;
  readonly detail: string;
  readonly iova: string;
  readonly level: number | null;
}

export interface Snapshot {
  readonly settings: Settings;
  readonly choices: readonly SettingChoice[];
  readonly done: readonly DoneLine[];
  readonly cycles: number;
  readonly space: number;
  readonly spaces: readonly SpaceView[];
  readonly split: AddressSplit;
  readonly walk: WalkView | null;
  readonly caches: readonly CacheView[];
  readonly findings: readonly FindingView[];
  /** A scenario's events, where one was run. */
  readonly story: readonly { readonly cycles: number; readonly what: string }[];
}

/** One descriptor that a person asked about. */
export interface EntryView {
  readonly stage: 1 | 2;
  readonly level: number;
  readonly index: number;
  readonly pa: string;
  readonly iova: string;
  readonly covers: number;
  readonly structure: ExplainedStructure;
  /** What the CPU's cache has there and memory not. */
  readonly newer: string | null;
}
