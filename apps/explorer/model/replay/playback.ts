import type { RunConfig } from '../../../../traces/browser.ts';
import type { LoadedCapture } from './loaded-capture.ts';
import { type ReplayChoices, replayConfig } from './replay-options.ts';
import { ReplayRig } from './replay-rig.ts';
import { Sampler, type Samples } from './samples.ts';

/** Events between two looks whether somebody wants something else. */
const EVENTS_PER_TURN = 500;
const TURN_MS = 12;
/** How long a wish has to stand before work begins on it. */
const SETTLE_MS = 25;

/** A turn of the worker's loop: messages come in. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/**
 * Scrubs through a capture: stands behind any event that is asked for, and gives up on the way when another is asked for meanwhile.
 */
export class Playback {
  readonly capture: LoadedCapture;
  readonly choices: ReplayChoices;
  readonly samples: Samples;
  rig: ReplayRig;
  readonly #config: RunConfig;
  #wanted = 0;

  private constructor(rig: ReplayRig, choices: ReplayChoices, config: RunConfig, samples: Samples) {
    this.capture = rig.capture;
    this.rig = rig;
    this.choices = choices;
    this.#config = config;
    this.samples = samples;
  }

  /**
   * Replays a capture once, to its end, for the plots.
   * @throws ConfigError for choices that cannot be together
   */
  static async start(
    capture: LoadedCapture,
    choices: ReplayChoices,
    onProgress: (done: number) => void,
  ): Promise<Playback> {
    const config = replayConfig(choices);
    const sampler = new Sampler(capture.count);
    const rig = new ReplayRig(capture, config, sampler);
    let looked = performance.now();
    while (!rig.advance(capture.count, EVENTS_PER_TURN)) {
      if (performance.now() - looked < 5 * TURN_MS) continue;
      onProgress(rig.at / capture.count);
      await turn();
      looked = performance.now();
    }
    return new Playback(rig, choices, config, sampler.samples);
  }

  /**
   * Goes to where `event` events have happened.
   * @returns false when another place was asked for on the way
   */
  async seek(event: number): Promise<boolean> {
    const ticket = ++this.#wanted;
    // Who scrubs asks for many places in a row: only the last one is worth the way.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (ticket !== this.#wanted) return false;
    if (event < this.rig.at) this.rig = new ReplayRig(this.capture, this.#config);
    const { rig } = this;
    let looked = performance.now();
    while (!rig.advance(event, EVENTS_PER_TURN)) {
      if (performance.now() - looked < TURN_MS) continue;
      await turn();
      if (ticket !== this.#wanted) return false;
      looked = performance.now();
    }
    return true;
  }
}
