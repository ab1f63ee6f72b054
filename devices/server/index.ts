/** A device alone, served to a client: the protocol and what stands behind it, without sockets and files. */
export { FRAME_BYTES, PROTOCOL_VERSION } from './protocol.ts';
export { busyResponse, DeviceServer, type ServerParts } from './session.ts';
