/** Lists of addresses through an MMU. */
export { type AddressList, decodeAddressList } from './address-list.ts';
export { applyMapSpec, type MapSpec, parseMapSpec } from './map.ts';
export { runOnImage, runOnMap, type StreamOptions, type StreamReport } from './stream.ts';
