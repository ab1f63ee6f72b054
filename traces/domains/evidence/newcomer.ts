/** How likely a map is the first of another domain while attached devices still lack one. */
const AWAITED = Math.exp(-7);
/** The same in a capture that attaches none, or began before it attached any: mostly, domains show among the first calls. */
const UNTOLD = Math.exp(-16);
/** After so many calls such a domain is four times less likely. */
const EARLY = 100;
/** The same when every attached device has one: less than any fit of a map among lost events, so that it is never followed beside one. */
const BEYOND = Math.exp(-80);

/**
 * The same in a capture that began late, whatever address it has: what its domains did before is not known. Halves within so many calls, since each
 * domain has to show sooner or later.
 */
const UNSEEN = 5e-4 * Math.exp(-12);
const SHOWN = 1000;
/** So many unmaps of what nobody mapped tell a capture that began late from a wrong guess. */
const TELLING = 8;

/** How likely a map is the first of a domain that mapped before the capture began; 0 when it began before. @param unknown unmaps of what nobody mapped */
export function latecomerChance(unknown: number, calls: number): number {
  return unknown < TELLING ? 0 : UNSEEN * (SHOWN / (calls + SHOWN));
}

/**
 * How likely a map is the first of a domain that is not known yet.
 * @param known domains that there are
 * @param told domains that there should be by what attach lines tell; 0 when there are no such lines
 * @param whole whether the attach lines tell of all domains: the capture began before any call
 * @param calls maps and unmaps so far
 */
export function newcomerChance(known: number, told: number, whole: boolean, calls: number): number {
  if (known < Math.max(told, 1)) return AWAITED;
  return told > 0 && whole ? BEYOND : UNTOLD * (EARLY / (calls + EARLY)) ** 2;
}
